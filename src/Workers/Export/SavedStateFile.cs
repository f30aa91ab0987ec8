using System.Globalization;
using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>A saved state: one that Cutpoint wrote, or one of VirtualBox, whose guests no QEMU can run.</summary>
internal sealed class SavedStateFile : FileFormat
{
    /// <summary>Units told apart; what a hostile file has beyond is read and counted only.</summary>
    private const int MaxUnits = 1 << 16;

    public override string Name => "sav";

    public override string Title => "saved state (VirtualBox's format)";

    public override bool CanImport => true;

    public override bool Matches(ReadOnlySpan<byte> head) => head.StartsWith("\x7FVirtualBox SavedState "u8);

    public override async Task<FileInspection> InspectAsync(Stream input, CancellationToken cancellation)
    {
        var reader = await SavedStateReader.OpenAsync(input, cancellation);
        var information = ReadInformation(reader);
        var isOurs = IsOurs(reader);
        input.Position = 0;
        reader = await SavedStateReader.OpenAsync(input, cancellation);
        var inspection = isOurs ? await InspectGuestAsync(input, reader, cancellation) : await InspectUnitsAsync(input, reader, cancellation);
        return inspection with { Facts = [.. Facts(reader), .. information.Select(pair => new InspectedFact(pair.Name, pair.Value)), .. inspection.Facts] };
    }

    internal override async Task<ImportedGuest> ImportAsync(Stream input, StagedMemory memory, CancellationToken cancellation)
    {
        var reader = await SavedStateReader.OpenAsync(input, cancellation);
        if (!IsOurs(reader))
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"a saved state of VirtualBox {VersionOf(reader.Header)}: its devices are VirtualBox's own, and QEMU cannot run them",
                "'cutpoint inspect' explains the file; resume the machine with VirtualBox") { IsPreflight = true };
        }
        input.Position = 0;
        var guest = new SavedGuestReader(await SavedStateReader.OpenAsync(input, cancellation), new Staged(memory));
        var description = await guest.ReadAsync(cancellation);
        List<string> notes = [];
        if (description.CommandLine.Count > 0)
            notes.Add($"'restore --launch' will run the program the file names, {description.CommandLine[0]}: do so only if you trust where the file comes from");
        return new ImportedGuest(description, guest.Devices, notes);
    }

    private static bool IsOurs(SavedStateReader reader)
    {
        try
        {
            reader.Seek(SavedGuestUnits.Description, 0);
            return true;
        }
        catch (SavedStateException e) when (e.Status == SavedStateStatus.UnitNotFound)
        {
            return false;
        }
    }

    /// <summary>The texts of unit "SSM", as far as they make sense: some are for people only.</summary>
    private static List<(string Name, string Value)> ReadInformation(SavedStateReader reader)
    {
        List<(string, string)> pairs = [];
        try
        {
            reader.Seek(SavedGuestUnits.Information, 0);
        }
        catch (SavedStateException e) when (e.Status == SavedStateStatus.UnitNotFound)
        {
            return pairs;
        }
        var values = new SavedStateValueReader(reader);
        while (true)
        {
            var (name, value) = (values.GetText(limit: 128), values.GetText(limit: 1024));
            if (name.Length == 0 && value.Length == 0) return pairs;
            pairs.Add((name.ToLowerInvariant(), value));
            if (pairs.Count > 64) throw new SavedStateException(SavedStateStatus.UnexpectedData, reader.Offset, "unit SSM has no end");
        }
    }

    private static IEnumerable<InspectedFact> Facts(SavedStateReader reader)
    {
        var header = reader.Header;
        yield return new("format", header.Format switch { SavedStateFormat.V20 => "2.0", SavedStateFormat.V12 => "1.2", _ => "1.1" });
        if (header.Format != SavedStateFormat.V11)
        {
            yield return new("written as", $"VirtualBox {VersionOf(header)} revision {header.Revision.ToString(CultureInfo.InvariantCulture)}");
            yield return new("host", $"{header.HostBits} bits, guest addresses {header.GuestPhysicalSize * 8} bits, guest pointers {header.GuestPointerSize * 8} bits");
        }
        if (header.Format != SavedStateFormat.V20) yield break;
        yield return new("saved", header.IsLive ? "while the machine ran" : "while the machine stood still");
        yield return new("checksums", header.HasChecksums ? "of every unit and of the file: compared, they hold" : "none");
    }

    private static string VersionOf(SavedStateHeader header) => header.Format == SavedStateFormat.V11
        ? "1.4 to 2.0"
        : string.Create(CultureInfo.InvariantCulture, $"{header.Major}.{header.Minor}.{header.Build}");

    private async Task<FileInspection> InspectGuestAsync(Stream input, SavedStateReader reader, CancellationToken cancellation)
    {
        var tally = new Tally();
        var guest = new SavedGuestReader(reader, tally);
        var description = await guest.ReadAsync(cancellation);
        return new FileInspection(Name, Title, input.Length)
        {
            Facts = [.. FactsOf(description)],
            Blocks = tally.Blocks,
            Units = description.Driver == "qemu"
                ? [.. QemuStoredState.SectionsOf(description, guest.Devices).Select(GuestCensus.Describe)]
                : [.. guest.Devices.Select(device => new InspectedUnit(device.Unit.Name, device.Unit.Instance, device.Version, device.State.Length, []))],
        };
    }

    private static IEnumerable<InspectedFact> FactsOf(GuestDescription guest)
    {
        yield return new("guest", guest.Name);
        if (guest.MachineType is { } machine) yield return new("machine", machine);
        yield return new("cpus", guest.CpuCount.ToString(CultureInfo.InvariantCulture));
        yield return new("run state", guest.WasRunning ? "running" : "paused");
    }

    private async Task<FileInspection> InspectUnitsAsync(Stream input, SavedStateReader reader, CancellationToken cancellation)
    {
        List<InspectedUnit> units = [];
        var beyond = 0L;
        var buffer = new byte[1 << 16];
        while (await reader.NextUnitAsync(cancellation) is { } unit)
        {
            long length = 0;
            var start = reader.Offset;
            for (int count; (count = await reader.ReadAsync(buffer, cancellation)) > 0;) length += count;
            await reader.EndAsync(cancellation);
            if (units.Count == MaxUnits)
            {
                beyond++;
                continue;
            }
            units.Add(new InspectedUnit(unit.Name, unit.Instance, unit.Version, length,
            [
                new("offset", "place", unit.Offset.ToString(CultureInfo.InvariantCulture)),
                new("stored", "octets", (reader.Offset - start).ToString(CultureInfo.InvariantCulture)),
                new("pass", "pass", unit.Pass == SavedStateUnit.FinalPass ? "final" : unit.Pass.ToString(CultureInfo.InvariantCulture)),
            ]));
        }
        var notes = new List<string> { "a machine of VirtualBox: it can be looked at, but not imported" };
        if (beyond > 0) notes.Add($"{beyond} units beyond {MaxUnits} are not shown");
        return new FileInspection(Name, Title, input.Length) { Units = units, Notes = notes };
    }

    private sealed class Staged(StagedMemory memory) : ISavedMemory
    {
        private int _block = -1;

        public void AddBlock(RamBlock block)
        {
            memory.AddBlock(block);
            _block++;
        }

        public void AddPage(long offset, ReadOnlySpan<byte> page, bool isZero)
        {
            if (!isZero) memory.Write(_block, offset, page);
        }
    }

    private sealed class Tally : ISavedMemory
    {
        private readonly List<PageTally> _tallies = [];

        public IReadOnlyList<InspectedBlock> Blocks => [.. _tallies.Select(tally => tally.Total())];

        public void AddBlock(RamBlock block) => _tallies.Add(new PageTally(block.Name, block.Length, Paging.PageSize));

        public void AddPage(long offset, ReadOnlySpan<byte> page, bool isZero) => _tallies[^1].Add(offset, isZero);
    }
}
