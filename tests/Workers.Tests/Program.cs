using Cutpoint.Workers.Qemu.Guard;
using Cutpoint.Workers.Tests.Export;
using Cutpoint.Workers.Tests.Qemu;

// Run by the tests themselves: as the guard of a session, as a worker that is to be killed, and for exports with another number of processors.
return args switch
{
    [GuardCommand.Verb, .. var orders] => await GuardProgram.RunAsync(orders),
    [VictimWorker.Verb, .. var orders] => await VictimWorker.RunAsync(orders),
    [ExportProgram.Verb, .. var orders] => await ExportProgram.RunAsync(orders),
    _ => 2,
};
