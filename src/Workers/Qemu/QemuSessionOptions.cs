using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Guard;

namespace Cutpoint.Workers.Qemu;

/// <summary>How a guest's monitor is used.</summary>
public sealed record QemuSessionOptions
{
    /// <summary>Where it is written down what must be put back.</summary>
    public FreezeIntents Intents { get; init; } = new();

    /// <summary>Where the overlays of frozen disks are noted.</summary>
    public OverlayLedger Overlays { get; init; } = new();

    /// <summary>
    /// The longest the guest may be stopped before the guard continues it; null for a guest that is meant to stay stopped.
    /// </summary>
    public TimeSpan? FreezeLimit { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The guard's command.</summary>
    public GuardCommand Guard { get; init; } = GuardCommand.ThisProgram;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
