namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Where RAM blocks appear in guest-physical memory. The stream does not say it: QEMU migration stream, section 9. Immutable.
/// </summary>
public sealed class GuestPhysicalMap
{
    internal GuestPhysicalMap(IReadOnlyList<PhysicalRange> ranges) => Ranges = ranges;

    /// <summary>The runs, ascending, without overlap; as long as they can be.</summary>
    public IReadOnlyList<PhysicalRange> Ranges { get; }

    /// <summary>Derives the layout from what is known of the pc, q35 and ARM virt machines.</summary>
    /// <param name="configuration">The stream's configuration; names the machine.</param>
    /// <param name="blocks">The stream's RAM blocks.</param>
    /// <param name="devices">The stream's devices; the host bridge decides what the firmware area shows.</param>
    /// <param name="maxRamBelow4G">The machine's option of that name, or null when it was not given.</param>
    /// <exception cref="SnapshotException">
    /// The machine, or RAM beyond its own (hot-plugged, NUMA backends), is not known (<see cref="ErrorCode.Incompatible"/>).
    /// </exception>
    public static GuestPhysicalMap Derive(
        QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks, IEnumerable<DeviceSection> devices,
        ulong? maxRamBelow4G = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(blocks);
        ArgumentNullException.ThrowIfNull(devices);
        return VirtMemoryLayout.Matches(configuration, blocks)
            ? VirtMemoryLayout.Build(configuration, blocks)
            : new PcMemoryLayout(configuration, blocks, devices).Build(maxRamBelow4G);
    }

    /// <summary>
    /// Reads the answer of the monitor command "info mtree -f": the flat view of the address space "memory". Regions are named there as blocks are, but
    /// without the place of a PCI device; where a name fits several blocks, the device whose window an address lies in decides, and a region no window
    /// tells is left out.
    /// </summary>
    /// <param name="text">The whole answer.</param>
    /// <param name="blocks">The RAM blocks; regions of other names are left out.</param>
    /// <param name="placeAt">
    /// Says which PCI device shows memory at an address, as names of blocks begin ("0000:00:02.0"), or null when none does; null when nobody knows.
    /// </param>
    /// <exception cref="MalformedInputException">No such view in the text.</exception>
    public static GuestPhysicalMap ParseFlatView(string text, IReadOnlyList<QemuRamBlock> blocks, Func<ulong, string?>? placeAt = null)
    {
        ArgumentNullException.ThrowIfNull(text);
        ArgumentNullException.ThrowIfNull(blocks);
        return FlatViewText.Parse(text, blocks, placeAt);
    }

    /// <summary>The run that shows an address, or null when none does.</summary>
    public PhysicalRange? Find(ulong address)
    {
        int low = 0, high = Ranges.Count - 1;
        while (low <= high)
        {
            var middle = (low + high) / 2;
            var range = Ranges[middle];
            if (address < range.Address) high = middle - 1;
            else if (address - range.Address >= range.Length) low = middle + 1;
            else return range;
        }

        return null;
    }
}
