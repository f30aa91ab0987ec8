using Cutpoint.Cli;
using Cutpoint.Workers.Qemu.Guard;

// The guard of a capture is this program too. It must be there soon and hold little, so it goes past the command line.
return args is [GuardCommand.Verb, .. var orders] ? await GuardProgram.RunAsync(orders) : await CommandLine.RunAsync(args);
