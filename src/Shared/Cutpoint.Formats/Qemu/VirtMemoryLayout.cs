namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Guest-physical memory of QEMU's ARM machine "virt":
/// <code>
///   0        64M      128M          1G
///   | flash0 | flash1 | devices …   | RAM …
/// </code>
/// </summary>
internal static class VirtMemoryLayout
{
    private const ulong FlashLength = 64ul << 20;
    private const ulong RamStart = 1ul << 30;

    private static readonly string[] Flashes = ["virt.flash0", "virt.flash1"];

    /// <summary>True for a version of that machine. Other architectures have machines of its name, without its flash.</summary>
    public static bool Matches(QemuConfiguration configuration, IEnumerable<QemuRamBlock> blocks) =>
        configuration.MachineName.StartsWith("virt-", StringComparison.Ordinal) && blocks.Any(block => block.Name == Flashes[0]);

    public static GuestPhysicalMap Build(QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks)
    {
        List<PhysicalRange> ranges = [];
        foreach (var block in blocks)
        {
            if (block.Name.StartsWith("/rom@", StringComparison.Ordinal)) continue;
            var flash = Array.IndexOf(Flashes, block.Name);
            if (flash >= 0 && (ulong)block.Length <= FlashLength)
            {
                ranges.Add(new PhysicalRange((ulong)flash * FlashLength, (ulong)block.Length, block.Name, 0, true));
                continue;
            }
            if (ranges.Exists(range => range.Address == RamStart) || block.Name.Contains('/', StringComparison.Ordinal))
                throw new SnapshotException(
                    ErrorCode.Incompatible, $"where RAM block '{block.Name}' of machine '{configuration.MachineName}' is mapped is not known",
                    "pass the guest's memory map: the answer of the monitor command \"info mtree -f\"");
            ranges.Add(new PhysicalRange(RamStart, (ulong)block.Length, block.Name, 0));
        }

        ranges.Sort((one, other) => one.Address.CompareTo(other.Address));
        return new GuestPhysicalMap(ranges);
    }
}
