using System.Buffers.Binary;
using System.Globalization;
using Cutpoint.Formats.Qemu;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>A file with a QEMU migration stream, mapped-ram files included.</summary>
internal sealed class QemuStreamFile : FileFormat
{
    private const uint Magic = 0x5145564d;

    public override string Name => "qemu";

    public override string Title => "QEMU migration stream";

    public override bool Matches(ReadOnlySpan<byte> head) => head.Length >= 8 && BinaryPrimitives.ReadUInt32BigEndian(head) == Magic;

    public override async Task<FileInspection> InspectAsync(Stream input, CancellationToken cancellation)
    {
        var census = new Census();
        var part = await QemuStreamParser.ParseAsync(input, census, cancellation: cancellation);
        return new FileInspection(Name, Title, input.Length)
        {
            Facts = Facts(census, part),
            Blocks = [.. census.Blocks.Select(block => block.Total())],
            Units = [.. part.Devices.Select(Describe)],
            Notes = [.. Notes(census, part)],
        };
    }

    /// <summary>A device as inspection shows it, fields by name.</summary>
    public static InspectedUnit Describe(DeviceSection device) => new(
        device.Name, device.Instance, device.Version, device.Payload.Length,
        [.. DeviceFields.Read(device).Select(field => new InspectedField(field.Path, field.Type, field.ToText()))]);

    private static List<InspectedFact> Facts(Census census, QemuDevicePart part)
    {
        var configuration = census.Configuration!;
        List<InspectedFact> facts =
        [
            new("machine", configuration.MachineName),
            new("page size", configuration.PageSize.ToString(CultureInfo.InvariantCulture)),
            new("capabilities", configuration.Capabilities.Count == 0 ? "none" : string.Join(", ", configuration.Capabilities)),
            new("cpus", part.Devices.Count(device => device.Name == "cpu_common").ToString(CultureInfo.InvariantCulture)),
        ];
        if (!configuration.Uuid.IsEmpty) facts.Add(new("uuid", new Guid(configuration.Uuid.Span, bigEndian: true).ToString()));
        if (QemuStoredState.RunStateOf(part.Devices) is { } state) facts.Add(new("run state", state));
        return facts;
    }

    private static IEnumerable<string> Notes(Census census, QemuDevicePart part)
    {
        yield return "the format has no checksum: its structure was checked, damage inside of pages and values cannot be seen";
        if (!part.HasOwnDescription) yield return "the file has no description of its devices";
        if (census.Configuration!.IgnoresShared) yield return "pages of shared blocks are not in the file: it is complete only with the guest's RAM files";
        foreach (var device in part.Devices.Where(device => !device.IsDescribed))
            yield return $"device {device}: its description does not fit its state, the fields cannot be told apart";
    }

    private sealed class Census : IQemuStreamVisitor
    {
        private int _pageSize;

        public QemuConfiguration? Configuration { get; private set; }

        public PageTally[] Blocks { get; private set; } = [];

        public void OnConfiguration(QemuConfiguration configuration)
        {
            Configuration = configuration;
            _pageSize = configuration.PageSize;
        }

        public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks) =>
            Blocks = [.. blocks.Select(block => new PageTally(block.Name, block.Length, _pageSize))];

        public void OnPage(int block, long offset, ReadOnlySpan<byte> page) => Blocks[block].Add(offset, isZero: false);

        public void OnZeroPage(int block, long offset) => Blocks[block].Add(offset, isZero: true);

        // Contents do not matter here, only that there are some: any octets stand for the page a difference is against.
        public bool TryReadPage(int block, long offset, Span<byte> page)
        {
            page.Clear();
            return true;
        }
    }
}
