namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Where RAM blocks appear in guest-physical memory. The stream does not say it: QEMU migration stream, section 9. Immutable.
/// </summary>
public sealed class GuestPhysicalMap
{
    private GuestPhysicalMap(IReadOnlyList<PhysicalRange> ranges) => Ranges = ranges;

    /// <summary>The runs, ascending, without overlap.</summary>
    public IReadOnlyList<PhysicalRange> Ranges { get; }

    /// <summary>Derives the layout from what is known of the pc and q35 machines.</summary>
    /// <param name="configuration">The stream's configuration; names the machine.</param>
    /// <param name="blocks">The stream's RAM blocks.</param>
    /// <param name="devices">The stream's devices; the host bridge decides what the firmware area shows.</param>
    /// <param name="maxRamBelow4G">The machine's option of that name, or null when it was not given.</param>
    /// <exception cref="SnapshotException">The machine, or RAM beyond its own (hot-plugged, NUMA backends), is not known
    /// (<see cref="ErrorCode.Incompatible"/>).</exception>
    public static GuestPhysicalMap Derive(
        QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks, IEnumerable<DeviceSection> devices,
        ulong? maxRamBelow4G = null) =>
        throw new NotSupportedException();

    /// <summary>Reads the answer of the monitor command "info mtree -f": the flat view of the address space "memory".</summary>
    /// <param name="text">The whole answer.</param>
    /// <param name="blocks">The RAM blocks; ranges of other names are left out.</param>
    /// <exception cref="MalformedInputException">No such view in the text.</exception>
    public static GuestPhysicalMap ParseFlatView(string text, IReadOnlyList<QemuRamBlock> blocks) => new(FlatView.Parse(text, blocks));
}
