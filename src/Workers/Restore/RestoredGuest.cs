using Cutpoint.Workers.Qemu.Launch;

namespace Cutpoint.Workers.Restore;

/// <summary>A guest that was restored.</summary>
/// <param name="Name">Its name in the checkpoint.</param>
/// <param name="Transport">How its memory came.</param>
/// <param name="SharedMemory">True when its RAM files are its own and take its writes.</param>
/// <param name="Machine">Its QEMU: process, monitor, run state, log, and the new places of its sockets and output files.</param>
public sealed record RestoredGuest(string Name, RestoreTransport Transport, bool SharedMemory, RunningGuest Machine)
{
    /// <summary>Its files, removed by 'cutpoint gc' once it has ended; null for a guest somebody else started.</summary>
    public string? Directory { get; init; }

    /// <summary>True when its memory was mapped from files an earlier restore of the same checkpoint had made.</summary>
    public bool IsClone { get; init; }
}
