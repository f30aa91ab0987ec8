using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>BER snapshots of other writers: kept to the octet, explained, and never taken for a guest that can be started.</summary>
public sealed class ForeignBerTests : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-ber-").FullName;
    private DirectoryRepository _repository = null!;

    public static TheoryData<string> Vectors =>
        ["01-empty", "02-integers", "03-integers-seed-defect", "04-ram", "05-device", "06-definite-forms", "09-bad-nonminimal-integer"];

    public async Task InitializeAsync() =>
        _repository = await DirectoryRepository.InitAsync(RepositoryLocation.Parse(In("repository")), TimeProvider.System, default);

    public async Task DisposeAsync()
    {
        await _repository.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    [Theory]
    [MemberData(nameof(Vectors))]
    public async Task A_golden_file_goes_through_a_repository_without_the_change_of_an_octet(string name)
    {
        var file = Vector(name);

        Assert.Equal(File.ReadAllBytes(file), await ThroughRepositoryAsync(file));
    }

    [Fact]
    public async Task Memory_that_is_sent_twice_is_what_was_sent_last_and_the_file_stays_as_it_was()
    {
        var page = new byte[Paging.PageSize];
        var octets = new MemoryStream();
        using (var values = new BerWriter(octets))
        {
            var writer = new BerSnapshotWriter(values);
            writer.BeginFile();
            writer.BeginSection("ram", 1, 0, 4);
            writer.BeginRamList();
            writer.WriteRamBlocks([new BerRamBlock("pc.ram", 200 * Paging.PageSize), new BerRamBlock("rom", Paging.PageSize)]);
            for (var number = 0; number < 200; number++) Write("pc.ram", number, (byte)number);
            for (var number = 190; number > 0; number -= 7) Write("pc.ram", number, (byte)(number + 1));
            writer.WriteZeroPage("pc.ram", 5 * Paging.PageSize);
            Write("rom", 0, 9);
            writer.EndRamList();
            writer.EndSection();
            writer.EndFile();
            values.Flush();

            void Write(string block, int number, byte fill)
            {
                page.AsSpan().Fill(fill);
                writer.WritePage(block, (ulong)(number * Paging.PageSize), page);
            }
        }
        var file = In("live.ber");
        File.WriteAllBytes(file, octets.ToArray());

        Assert.Equal(octets.ToArray(), await ThroughRepositoryAsync(file));
        await using var checkpoint = await _repository.OpenCheckpointAsync(await _repository.ResolveAsync("latest", default), default);
        foreach (var (number, fill) in ((int, byte)[])[(1, 2), (5, 0), (2, 2), (190, 191), (199, 199)])
        {
            await checkpoint.Guest(null).ReadAsync(0, number * (long)Paging.PageSize, page, default);
            Assert.Equal(-1, page.AsSpan().IndexOfAnyExcept(fill));
        }
        // Two hundred and one pages are memory; the twenty-eight sent before another and the frames are the outline.
        Assert.InRange(checkpoint.Guest(null).Manifest.Devices.Single().Length, 28 * Paging.PageSize, 40 * Paging.PageSize);
    }

    [Fact]
    public async Task Who_imports_or_inspects_a_file_of_the_first_writer_is_told_which_values_lost_their_sign()
    {
        var file = Vector("03-integers-seed-defect");
        var imported = await ImportJob.RunAsync(_repository, new ImportOptions { Path = file }, null, default);
        var inspected = await FileFormats.InspectAsync(file, default);

        foreach (var notes in (IReadOnlyList<string>[])[imported.Notes, inspected.Notes])
            Assert.Contains(notes, note => note.Contains("sign", StringComparison.Ordinal) && note.Contains("-128 or 128", StringComparison.Ordinal) && note.Contains("[0]/", StringComparison.Ordinal));
        Assert.Contains(inspected.Units.SelectMany(unit => unit.Fields), field => field.Value == "-128 or 128");
    }

    [Fact]
    public async Task It_cannot_become_another_format()
    {
        var imported = await ImportJob.RunAsync(_repository, new ImportOptions { Path = Vector("04-ram") }, null, default);
        foreach (var format in (string[])["qemu", "raw"])
        {
            var refused = await Assert.ThrowsAsync<SnapshotException>(() => ExportAsync(format, In("out")));
            Assert.Equal(ErrorCode.Incompatible, refused.Code);
            Assert.NotNull(refused.Advice);
        }
        Assert.Contains(imported.Notes, note => note.Contains("not restored", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("07-bad-tag31")]
    [InlineData("08-bad-truncated")]
    public async Task A_file_that_is_no_snapshot_is_refused_and_nothing_is_listed(string name)
    {
        await Assert.ThrowsAsync<MalformedInputException>(() => ImportJob.RunAsync(_repository, new ImportOptions { Path = Vector(name) }, null, default));
        Assert.Empty(await _repository.ListAsync(default));
    }

    private static string Vector(string name) => Path.Combine(AppContext.BaseDirectory, "Ber", $"{name}.ber");

    private string In(string name) => Path.Combine(_directory, name);

    private async Task<byte[]> ThroughRepositoryAsync(string file)
    {
        await ImportJob.RunAsync(_repository, new ImportOptions { Path = file }, null, default);
        var report = await _repository.VerifyAsync(new VerifyOptions(), null, default);
        Assert.True(report.IsSound);
        await ExportAsync("ber", In("again.ber"));
        return await File.ReadAllBytesAsync(In("again.ber"));
    }

    private Task<ExportResult> ExportAsync(string format, string output) =>
        ExportJob.RunAsync(_repository, new ExportOptions { Checkpoint = "latest", Format = format, Output = output }, null, default);
}
