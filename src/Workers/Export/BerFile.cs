using System.Globalization;
using Cutpoint.Formats.Ber;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>A BER snapshot.</summary>
internal sealed class BerFile : FileFormat
{
    /// <summary>Fields kept for all units together; what a hostile file has beyond is counted only.</summary>
    private const int MaxFields = 1 << 18;

    private const int ShownOctets = 32;

    public override string Name => "ber";

    public override string Title => "BER snapshot";

    public override bool Matches(ReadOnlySpan<byte> head) => head.StartsWith((ReadOnlySpan<byte>)[0x7f, 0xcd, 0xc5, 0x51]);

    public override bool CanImport => true;

    public override async Task<FileInspection> InspectAsync(Stream input, CancellationToken cancellation)
    {
        var start = input.Position;
        var isOurs = await HasConfigurationAsync(input, cancellation);
        input.Position = start;
        return isOurs ? await InspectGuestAsync(input, cancellation) : await InspectValuesAsync(input, cancellation);
    }

    internal override async Task<ImportedGuest> ImportAsync(Stream input, StagedMemory memory, CancellationToken cancellation)
    {
        var start = input.Position;
        var isOurs = await HasConfigurationAsync(input, cancellation);
        input.Position = start;
        if (!isOurs) return await BerForeignFile.ImportAsync(input, memory, cancellation);
        var file = new FileGuest(memory);
        var guest = await BerGuestReader.ReadAsync(input, file, cancellation);
        var description = file.Describe(guest.Devices);
        List<string> notes = [GuestCensus.NoChecksum];
        if (guest.Attachments.TryGetValue(GuestAttachment.Name, out var attachment))
        {
            description = GuestAttachment.Read(attachment) with { Blocks = memory.Blocks };
            if (description.CommandLine.Count > 0)
                notes.Add($"'restore --launch' will run the program the file names, {description.CommandLine[0]}: do so only if you trust where the file comes from");
        }
        return new ImportedGuest(description, QemuStoredState.StatesOf(guest.Devices), notes);
    }

    /// <summary>True for a file that says what its octets mean, by sections no other writer of the format knows.</summary>
    private static async Task<bool> HasConfigurationAsync(Stream input, CancellationToken cancellation)
    {
        using var reader = new BerSnapshotReader(input, BerReadMode.SeedCompatible);
        return await reader.ReadAsync(cancellation) && reader is { Event: BerSnapshotEvent.SectionStart, Section.Name: BerGuest.ConfigurationName };
    }

    private async Task<FileInspection> InspectGuestAsync(Stream input, CancellationToken cancellation)
    {
        var census = new GuestCensus();
        var guest = await BerGuestReader.ReadAsync(input, census, cancellation);
        return new FileInspection(Name, Title, input.Length)
        {
            Facts = census.Facts(guest.Devices),
            Blocks = census.Blocks,
            Units = [.. guest.Devices.Select(GuestCensus.Describe)],
            Notes = [.. census.Notes(guest.Devices)],
        };
    }

    private async Task<FileInspection> InspectValuesAsync(Stream input, CancellationToken cancellation)
    {
        // Files of the format's first writer have integers that are not BER and others of lost sign: reading them so that both show is what inspection is for.
        using var reader = new BerSnapshotReader(input, BerReadMode.SeedCompatible);
        var census = new Census(reader);
        while (await reader.ReadAsync(cancellation)) census.Add();
        return new FileInspection(Name, Title, input.Length)
        {
            Facts = [new("page size", reader.PageSize.ToString(CultureInfo.InvariantCulture))],
            Blocks = census.Blocks,
            Units = census.Units,
            Notes = [.. census.Notes()],
        };
    }

    private sealed class Census(BerSnapshotReader reader)
    {
        private readonly Dictionary<string, PageTally> _tallies = new(StringComparer.Ordinal);
        private readonly List<InspectedUnit> _units = [];
        private List<InspectedField> _fields = [];
        private int _fieldCount;
        private long _unkept;
        private readonly LostSigns _signs = new();
        private long _sectionStart;
        private string? _octets;
        private long _octetsSeen;

        public IReadOnlyList<InspectedBlock> Blocks =>
            [.. reader.RamBlocks.Select(block => _tallies.TryGetValue(block.Name, out var tally) ? tally.Total() : Unsent(block))];

        public IReadOnlyList<InspectedUnit> Units => _units;

        public IEnumerable<string> Notes()
        {
            yield return GuestCensus.NoChecksum;
            if (reader.SkippedValues > 0) yield return $"{reader.SkippedValues} values are not known to the format and were passed over";
            foreach (var note in _signs.Notes()) yield return note;
            if (_unkept > 0) yield return $"{_unkept} fields beyond {MaxFields} are not shown";
        }

        public void Add()
        {
            switch (reader.Event)
            {
                case BerSnapshotEvent.SectionStart:
                    _sectionStart = reader.Offset;
                    _fields = [];
                    break;
                case BerSnapshotEvent.SectionEnd when reader.Section is { IsContinuing: false } section && section.Name != BerGuest.RamName:
                    _units.Add(new InspectedUnit(section.Name, section.InstanceId, section.VersionId, reader.Offset - _sectionStart, _fields));
                    break;
                case BerSnapshotEvent.RamEntry:
                    AddRam();
                    break;
                case BerSnapshotEvent.Integer:
                    AddInteger();
                    break;
                case BerSnapshotEvent.Boolean:
                    AddField("boolean", reader.Boolean ? "true" : "false");
                    break;
                case BerSnapshotEvent.Text:
                    AddField("string", System.Text.Encoding.UTF8.GetString(reader.Contents));
                    break;
                case BerSnapshotEvent.Octets:
                    AddOctets();
                    break;
            }
        }

        private void AddRam()
        {
            if (reader.RamBlock is not { } block || reader.PageSize == 0 && reader.RamFlags != BerRamFlags.Zero) return;
            if (!_tallies.TryGetValue(block.Name, out var tally))
                _tallies.Add(block.Name, tally = new PageTally(block.Name, (long)block.Length, Guests.Paging.PageSize));
            tally.Add((long)reader.RamAddress, isZero: reader.RamFlags == BerRamFlags.Zero && reader.RamFill == 0);
        }

        private void AddInteger()
        {
            _signs.Add(reader);
            AddField("integer", LostSigns.Describe(reader.Integer));
        }

        private void AddOctets()
        {
            _octets ??= Convert.ToHexStringLower(reader.Contents[..Math.Min(reader.Contents.Length, ShownOctets)]);
            _octetsSeen += reader.Contents.Length;
            if (!reader.IsFinalPiece) return;
            AddField("octets", _octetsSeen > ShownOctets ? $"{_octets}… ({_octetsSeen} octets)" : _octets);
            _octets = null;
            _octetsSeen = 0;
        }

        private void AddField(string type, string value)
        {
            if (_fieldCount == MaxFields)
            {
                _unkept++;
                return;
            }
            _fieldCount++;
            var path = reader.Path;
            var start = path.IndexOf("]/", StringComparison.Ordinal);
            _fields.Add(new InspectedField(start < 0 ? "" : path[(start + 2)..], type, value));
        }

        private static InspectedBlock Unsent(BerRamBlock block) =>
            new(block.Name, (long)block.Length, 0, 0, (long)(block.Length / Guests.Paging.PageSize), 0);
    }
}
