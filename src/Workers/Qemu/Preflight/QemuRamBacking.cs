using Cutpoint.Guests;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>One RAM block of a guest and what lies behind it.</summary>
/// <param name="Block">The block.</param>
/// <param name="Kind">What lies behind it.</param>
public sealed record QemuRamBacking(RamBlock Block, QemuRamKind Kind)
{
    /// <summary>The memory backend's id, or null for memory a device or the machine made for itself.</summary>
    public string? Backend { get; init; }

    /// <summary>
    /// A path under which the shared memory can be opened for reading from here; null when it is private or cannot be reached. May lie in
    /// /proc, and is then good only as long as the guest's QEMU lives.
    /// </summary>
    public string? Path { get; init; }

    /// <summary>
    /// True when the memory is mapped, shared or private, from a file of a file system that keeps its pages on a disk: the kernel write-protects only memory
    /// that lives in memory, so such a block excludes a background snapshot.
    /// </summary>
    public bool IsOnDisk { get; init; }

    /// <summary>Where the block begins in the file. Octets.</summary>
    public long FileOffset { get; init; }
}
