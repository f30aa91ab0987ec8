namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>Why a guard stops relaying.</summary>
internal enum GuardRelayEnd
{
    /// <summary>The worker closed its end, or was killed.</summary>
    WorkerEnded,

    /// <summary>The guest has been stopped for too long.</summary>
    FreezeLimit,

    /// <summary>The worker does not take what the monitor says.</summary>
    WorkerStuck,

    /// <summary>The monitor closed its end, or was killed.</summary>
    GuestEnded,
}
