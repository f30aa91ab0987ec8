using Cutpoint.Workers.Qemu.Guard;
using Cutpoint.Workers.Tests.Qemu;

// Run by the tests themselves: as the guard of a session, and as a worker that is to be killed.
return args switch
{
    [GuardCommand.Verb] => await GuardProgram.RunAsync(),
    [VictimWorker.Verb, .. var orders] => await VictimWorker.RunAsync(orders),
    _ => 2,
};
