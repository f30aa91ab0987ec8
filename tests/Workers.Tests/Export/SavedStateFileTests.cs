using Cutpoint.Formats;
using Cutpoint.Formats.Ssm;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>A real guest in a saved state, and back.</summary>
public sealed class SavedStateFileTests(TakenToyFixture fixture) : IClassFixture<TakenToyFixture>, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-sav-").FullName;

    private string FileName => Path.Combine(_directory, "guest.sav");

    [Fact]
    public async Task A_guest_is_launched_from_its_saved_state_alone_and_exported_again_without_the_change_of_an_octet()
    {
        var again = Path.Combine(_directory, "again.sav");
        var result = await fixture.ExportAsync("sav", FileName);
        Assert.Equal(new FileInfo(FileName).Length, result.Octets);
        var imported = await fixture.ImportAsync(FileName);
        await fixture.ExportAsync(imported, "sav", again);
        Assert.Equal(File.ReadAllBytes(FileName), File.ReadAllBytes(again));
        await using var restored = await fixture.Taken.LaunchAsync(fixture.Taken.Options with { Checkpoint = imported.Id.ToString() });
        await restored.CheckItRunsOnAsync(fixture.Taken.Counter);
    }

    [Fact]
    public async Task Every_unit_can_be_sought_and_its_memory_is_the_guests()
    {
        await fixture.ExportAsync("sav", FileName);
        using var input = File.OpenRead(FileName);
        SavedStateReader.Validate(input, checksum: true);
        input.Position = 0;
        var reader = SavedStateReader.Open(input);
        await using var checkpoint = await fixture.Taken.Repository.OpenCheckpointAsync(fixture.Taken.Checkpoint, default);
        var guest = checkpoint.Guest(null);
        for (var i = 0; i < guest.Manifest.Blocks.Count; i++)
        {
            var block = guest.Manifest.Blocks[i];
            reader.Seek("ram", (uint)i);
            var values = new SavedStateValueReader(reader);
            Assert.Equal((block.Name, (ulong)block.Length), (values.GetText(), values.GetUInt64()));
            values.Skip(1);
            var (expected, octets) = (new byte[block.Length], new byte[block.Length]);
            await guest.ReadAsync(i, 0, expected, default);
            values.GetMemory(octets);
            Assert.True(expected.AsSpan().SequenceEqual(octets), block.Name);
        }
        foreach (var device in guest.Manifest.Devices.Where(device => device.Unit.Name.Length < 48))
            Assert.Equal(device.Version, reader.Seek(device.Unit.Name, device.Unit.Instance).Version);
    }

    [Fact]
    public async Task Inspection_shows_blocks_and_typed_fields_as_in_the_migration_stream()
    {
        var stream = Path.Combine(_directory, "guest.qmig");
        await fixture.ExportAsync("sav", FileName);
        await fixture.ExportAsync("qemu", stream);
        var (saved, sent) = (await FileFormats.InspectAsync(FileName, default), await FileFormats.InspectAsync(stream, default));
        Assert.Equal("sav", saved.Format);
        Assert.Equal(sent.Blocks, saved.Blocks);
        Assert.Equal(sent.Units.Select(unit => (unit.Name, unit.Instance, unit.Version, unit.Fields.Count)), saved.Units.Select(unit => (unit.Name, unit.Instance, unit.Version, unit.Fields.Count)));
        Assert.Contains(saved.Facts, fact => fact is { Name: "checksums" } && fact.Value.Contains("hold", StringComparison.Ordinal));
        Assert.Contains(saved.Facts, fact => fact is { Name: "host os", Value: "linux.amd64" });
    }

    [Fact]
    public async Task Damage_anywhere_is_found_by_inspection_and_nothing_of_it_is_imported()
    {
        await fixture.ExportAsync("sav", FileName);
        var octets = await File.ReadAllBytesAsync(FileName);
        foreach (var share in (double[])[0.001, 0.3, 0.6, 0.95, 0.9999])
        {
            var at = (int)(octets.Length * share);
            octets[at] ^= 0x10;
            await File.WriteAllBytesAsync(FileName, octets);
            var error = await Assert.ThrowsAnyAsync<MalformedInputException>(() => FileFormats.InspectAsync(FileName, default));
            Assert.Equal(ErrorCode.VerificationFailed, error.Code);
            await Assert.ThrowsAnyAsync<MalformedInputException>(() => fixture.ImportAsync(FileName));
            octets[at] ^= 0x10;
        }
        await File.WriteAllBytesAsync(FileName, octets[..(octets.Length / 2)]);
        await Assert.ThrowsAnyAsync<MalformedInputException>(() => FileFormats.InspectAsync(FileName, default));
    }

    [Fact]
    public async Task A_saved_state_of_VirtualBox_is_explained_but_not_imported()
    {
        WriteForeign();
        var inspection = await FileFormats.InspectAsync(FileName, default);
        Assert.Equal(["SSM", "pci", "pgm", "pgm"], inspection.Units.Select(unit => unit.Name));
        Assert.Equal(("1", "final"), (inspection.Units[2].Fields.Single(field => field.Name == "pass").Value, inspection.Units[3].Fields.Single(field => field.Name == "pass").Value));
        Assert.Equal(5000, inspection.Units[3].Length);
        var refused = await Assert.ThrowsAsync<SnapshotException>(() => fixture.ImportAsync(FileName));
        Assert.Equal(ErrorCode.Incompatible, refused.Code);
        Assert.Contains("VirtualBox 7.0.10", refused.Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private void WriteForeign()
    {
        using var output = File.Create(FileName);
        var writer = new SavedStateWriter(output, new SavedStateHeader { Major = 7, Minor = 0, Build = 10, IsLive = true });
        var values = new SavedStateValueWriter(writer);
        writer.BeginUnit("SSM", 0, 1, SavedStateUnit.FinalPass);
        foreach (var text in (string[])["Host OS", "win.amd64", "", ""]) values.PutText(text);
        writer.EndUnit();
        foreach (var (name, pass) in ((string, uint)[])[("pci", SavedStateUnit.FinalPass), ("pgm", 1), ("pgm", SavedStateUnit.FinalPass)])
        {
            writer.BeginUnit(name, 0, 3, pass);
            values.PutMemory(new byte[5000]);
            writer.EndUnit();
        }
        writer.Finish();
    }
}
