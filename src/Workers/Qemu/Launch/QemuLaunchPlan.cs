using Cutpoint.Guests;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>What will be executed to start a guest that waits for its state.</summary>
/// <param name="Program">QEMU.</param>
/// <param name="Arguments">Its arguments.</param>
/// <param name="WorkingDirectory">Where relative paths among them start, or null when that is not recorded.</param>
/// <param name="QmpSocket">Where its monitor will be.</param>
/// <param name="Log">Where its messages will be.</param>
/// <param name="Moved">Sockets and output files of the recorded command line, and where they are now.</param>
public sealed record QemuLaunchPlan(
    string Program, IReadOnlyList<string> Arguments, string? WorkingDirectory, string QmpSocket, string Log,
    IReadOnlyDictionary<string, string> Moved)
{
    /// <summary>Sockets of others the guest connects to at its start: the recorded paths in full.</summary>
    public IReadOnlyCollection<string> Followed { get; init; } = [];

    /// <summary>The guest's writable disks: the frozen image each stands on, and the overlay it writes into, which is made before the start.</summary>
    public IReadOnlyList<(DiskSnapshot Disk, string Overlay)> Disks { get; init; } = [];
}
