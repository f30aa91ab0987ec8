using Cutpoint.Cli;

return await CommandLine.RunAsync(args);
