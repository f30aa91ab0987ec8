using System.Globalization;
using Cutpoint.Formats.Qemu;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>Counts the memory of a QEMU guest as a file brings it, and words what the file says of the guest.</summary>
internal sealed class GuestCensus : IQemuStreamVisitor
{
    public const string NoChecksum = "the format has no checksum: its structure was checked, damage inside of pages and values cannot be seen";

    private PageTally[] _blocks = [];

    /// <summary>The configuration, once it was seen.</summary>
    public QemuConfiguration? Configuration { get; private set; }

    /// <summary>What the file says of each block.</summary>
    public IReadOnlyList<InspectedBlock> Blocks => [.. _blocks.Select(block => block.Total())];

    /// <summary>A device, its fields by name.</summary>
    public static InspectedUnit Describe(DeviceSection device) => new(
        device.Name, device.Instance, device.Version, device.Payload.Length,
        [.. DeviceFields.Read(device).Select(field => new InspectedField(field.Path, field.Type, field.ToText()) { Offset = field.Offset, Size = field.Size })]);

    /// <summary>Facts of the file as a whole.</summary>
    public List<InspectedFact> Facts(IReadOnlyList<DeviceSection> devices)
    {
        var configuration = Configuration!;
        List<InspectedFact> facts =
        [
            new("machine", configuration.MachineName),
            new("page size", configuration.PageSize.ToString(CultureInfo.InvariantCulture)),
            new("capabilities", configuration.Capabilities.Count == 0 ? "none" : string.Join(", ", configuration.Capabilities)),
            new("cpus", FileGuest.CpusOf(devices).ToString(CultureInfo.InvariantCulture)),
        ];
        if (!configuration.Uuid.IsEmpty) facts.Add(new("uuid", new Guid(configuration.Uuid.Span, bigEndian: true).ToString()));
        if (QemuStoredState.RunStateOf(devices) is { } state) facts.Add(new("run state", state));
        return facts;
    }

    /// <summary>What one should know of the file.</summary>
    public IEnumerable<string> Notes(IReadOnlyList<DeviceSection> devices)
    {
        yield return NoChecksum;
        if (Configuration!.IgnoresShared) yield return "pages of shared blocks are not in the file: it is complete only with the guest's RAM files";
        foreach (var device in devices.Where(device => device.Description is null))
            yield return $"device {device}: the file does not describe its state";
        foreach (var device in devices.Where(device => device is { Description: not null, IsDescribed: false }))
            yield return $"device {device}: its description does not fit its state, the fields cannot be told apart";
    }

    /// <inheritdoc/>
    public void OnConfiguration(QemuConfiguration configuration) => Configuration = configuration;

    /// <inheritdoc/>
    public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks) =>
        _blocks = [.. blocks.Select(block => new PageTally(block.Name, block.Length, Configuration!.PageSize))];

    /// <inheritdoc/>
    public void OnPage(int block, long offset, ReadOnlySpan<byte> page) => _blocks[block].Add(offset, isZero: false);

    /// <inheritdoc/>
    public void OnZeroPage(int block, long offset) => _blocks[block].Add(offset, isZero: true);

    /// <inheritdoc/>
    public bool TryReadPage(int block, long offset, Span<byte> page)
    {
        // Contents do not matter here, only that there are some: any octets stand for the page a difference is against.
        page.Clear();
        return true;
    }
}
