namespace Cutpoint.Formats.Qemu;

/// <summary>One entry of the RAM block list. Its place in the list is the block's number everywhere else.</summary>
/// <param name="Name">The block's id, such as "pc.ram", "0000:00:02.0/vga.vram"; at most 255 octets.</param>
/// <param name="Length">Octets in use; a multiple of the page size.</param>
public sealed record QemuRamBlock(string Name, long Length)
{
    /// <summary>
    /// The address QEMU sends beside the block when shared blocks are ignored: that of its memory region in the region around it. 0 for
    /// the machine's RAM, which is mapped
    /// in parts, so not an address to map it by. A receiver compares it for ignored blocks. Null when the stream has none.
    /// </summary>
    public ulong? Address { get; init; }

    /// <summary>Where the block's page area begins in a mapped-ram file, or null in a stream.</summary>
    public long? PagesOffset { get; init; }

    /// <summary>True for the flash of a machine: it shows its contents to who reads it and takes commands from who writes, and is no memory in a dump.</summary>
    /// <param name="name">Name of a block.</param>
    public static bool IsFlash(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return name.EndsWith(".flash0", StringComparison.Ordinal) || name.EndsWith(".flash1", StringComparison.Ordinal);
    }
}
