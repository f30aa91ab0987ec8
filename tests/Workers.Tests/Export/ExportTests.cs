using System.Diagnostics;
using Cutpoint.Workers.Export;
using Cutpoint.Workers.Tests.Qemu;
using Cutpoint.Workers.Tests.Restore;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>A checkpoint of a real guest written in every format, judged by the programs that read these.</summary>
public sealed class ExportTests(TakenToyFixture fixture) : IClassFixture<TakenToyFixture>, IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-export-").FullName;

    private TakenToy Taken => fixture.Taken;

    [Fact]
    public async Task QEMU_runs_the_guest_on_from_an_exported_stream()
    {
        var file = Path.Combine(_directory, "guest.qmig");
        var result = await fixture.ExportAsync("qemu", file);
        Assert.Equal(new FileInfo(file).Length, result.Octets);
        await using var guest = ToyGuest.Launch([.. TakenToy.PrivateRam, "-object", "memory-backend-ram,id=ram0,size=17M", "-machine", "pc,memory-backend=ram0",
            "-incoming", $"exec:cat {file}"]);
        await guest.WaitUntilItCountsPastAsync(Taken.Counter);
        Assert.Equal(0, await guest.VerifyAsync());
    }

    [Fact]
    public async Task QEMUs_own_stream_goes_through_a_repository_and_runs_on()
    {
        var file = Path.Combine(_directory, "own.qmig");
        int counter;
        await using (var guest = await ToyGuest.StartAsync(TakenToy.PrivateRam))
        {
            counter = guest.Counter;
            await using var monitor = await Workers.Qemu.Monitor.QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
            using var events = monitor.Subscribe("MIGRATION");
            await monitor.ExecuteAsync("migrate-set-capabilities", writer =>
            {
                writer.WriteStartArray("capabilities");
                writer.WriteStartObject();
                writer.WriteString("capability", "events");
                writer.WriteBoolean("state", true);
                writer.WriteEndObject();
                writer.WriteEndArray();
            }, TimeSpan.FromMinutes(1), default);
            await monitor.ExecuteAsync("migrate", writer => writer.WriteString("uri", $"exec:cat > {file}"), TimeSpan.FromMinutes(1), default);
            await events.WaitAsync(next => next.Text("status") == "completed", TimeSpan.FromMinutes(1), default);
        }
        var imported = await fixture.ImportAsync(file);
        var again = Path.Combine(_directory, "again.qmig");
        await fixture.ExportAsync(imported, "qemu", again);
        await using var restored = ToyGuest.Launch([.. TakenToy.PrivateRam, "-incoming", $"exec:cat {again}"]);
        await restored.WaitUntilItCountsPastAsync(counter);
        Assert.Equal(0, await restored.VerifyAsync());
    }

    [Fact]
    public async Task OpenSSL_walks_a_BER_export_to_its_end()
    {
        var file = Path.Combine(_directory, "guest.ber");
        await fixture.ExportAsync("ber", file);
        using var process = Process.Start(new ProcessStartInfo("openssl", ["asn1parse", "-inform", "DER", "-in", file]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = process.StandardError.ReadToEndAsync();
        var sections = 0;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains("appl [ 2003 ]", StringComparison.Ordinal)) sections++;
        }
        await process.WaitForExitAsync();
        Assert.Equal((0, ""), (process.ExitCode, await errors));
        Assert.InRange(sections, 30, 60);
    }

    [Fact]
    public async Task A_BER_file_goes_through_a_repository_without_the_change_of_an_octet()
    {
        var (file, again) = (Path.Combine(_directory, "a.ber"), Path.Combine(_directory, "b.ber"));
        await fixture.ExportAsync("ber", file);
        var imported = await fixture.ImportAsync(file);
        await fixture.ExportAsync(imported, "ber", again);
        Assert.Equal(File.ReadAllBytes(file), File.ReadAllBytes(again));
        // It is the same guest, so nothing but its manifest was stored.
        Assert.Equal(imported.Guests[0].ContentBytes, imported.Guests[0].ReusedBytes);
    }

    [Fact]
    public async Task A_guest_is_launched_from_its_BER_file_alone()
    {
        var file = Path.Combine(_directory, "guest.ber");
        await fixture.ExportAsync("ber", file);
        var imported = await fixture.ImportAsync(file);
        await using var restored = await Taken.LaunchAsync(Taken.Options with { Checkpoint = imported.Id.ToString() });
        await restored.CheckItRunsOnAsync(Taken.Counter);
    }

    [Fact]
    public async Task A_mapped_ram_file_holds_what_the_stream_holds()
    {
        var (stream, mapped, again) = (Path.Combine(_directory, "a.qmig"), Path.Combine(_directory, "a.mapped"), Path.Combine(_directory, "b.qmig"));
        await fixture.ExportAsync("qemu", stream);
        await fixture.ExportAsync("qemu-mapped", mapped);
        await fixture.ExportAsync(await fixture.ImportAsync(mapped), "qemu", again);
        Assert.Equal(File.ReadAllBytes(stream), File.ReadAllBytes(again));
        Assert.InRange(FileStatus.Of(mapped)!.Value.AllocatedOctets, 2L << 20, 8L << 20);
    }

    [Fact]
    public async Task A_raw_image_is_the_memory_by_address()
    {
        var file = Path.Combine(_directory, "memory");
        var result = await fixture.ExportAsync("raw", file);
        Assert.Equal(17L << 20, result.Octets);
        var image = File.ReadAllBytes(file);
        await using var checkpoint = await Taken.Repository.OpenCheckpointAsync(Taken.Checkpoint, default);
        var guest = checkpoint.Guest(null);
        foreach (var range in guest.Manifest.Description.Memory.Where(range => range.Address + range.Length <= (ulong)image.Length))
        {
            var octets = new byte[range.Length];
            await guest.ReadAsync(guest.Manifest.Blocks.ToList().FindIndex(block => block.Name == range.Block), (long)range.Offset, octets, default);
            Assert.True(octets.AsSpan().SequenceEqual(image.AsSpan((int)range.Address, (int)range.Length)), $"{range}");
        }
        // The guest's program lies at 1 MiB: a multiboot kernel.
        Assert.NotEqual(-1, image.AsSpan(1 << 20, 8192).IndexOf((ReadOnlySpan<byte>)[0x02, 0xb0, 0xad, 0x1b]));
    }

    [Fact]
    public async Task A_range_of_a_raw_image_is_a_part_of_it_also_where_there_is_no_memory()
    {
        var (whole, part, firmware) = (Path.Combine(_directory, "whole"), Path.Combine(_directory, "part"), Path.Combine(_directory, "firmware"));
        await fixture.ExportAsync("raw", whole);
        await RangeAsync(part, 16 << 20, 2 << 20);
        var expected = new byte[2 << 20];
        File.ReadAllBytes(whole).AsSpan(16 << 20).CopyTo(expected);
        Assert.Equal(expected, File.ReadAllBytes(part));
        await RangeAsync(firmware, (1UL << 32) - 4096, 4096);
        // The reset vector is a far jump.
        Assert.Equal(0xea, File.ReadAllBytes(firmware)[4096 - 16]);

        Task<ExportResult> RangeAsync(string output, ulong begin, ulong length) => ExportJob.RunAsync(
            Taken.Repository,
            new ExportOptions { Checkpoint = Taken.Checkpoint.Id.ToString(), Format = "raw", Output = output, Begin = begin, Length = length }, null, default);
    }

    [Theory]
    [InlineData("qemu")]
    [InlineData("raw")]
    [InlineData("ber")]
    [InlineData("elf")]
    [InlineData("kdump-zlib")]
    [InlineData("sav")]
    public async Task A_pipe_gets_the_octets_of_the_file(string format)
    {
        var (file, fifo) = (Path.Combine(_directory, "file"), Path.Combine(_directory, "pipe"));
        await fixture.ExportAsync(format, file);
        using (var make = Process.Start("mkfifo", fifo)) await make.WaitForExitAsync();
        var piped = Task.Run(() => File.ReadAllBytes(fifo));
        await fixture.ExportAsync(format, fifo);
        Assert.Equal(File.ReadAllBytes(file), await piped);
    }

    [Fact]
    public async Task A_reader_of_a_pipe_that_goes_away_is_an_error()
    {
        var fifo = Path.Combine(_directory, "pipe");
        using (var make = Process.Start("mkfifo", fifo)) await make.WaitForExitAsync();
        var reading = Task.Run(() =>
        {
            using var reader = File.OpenRead(fifo);
            reader.ReadExactly(new byte[100]);
        });
        var failed = await Assert.ThrowsAsync<SnapshotException>(() => fixture.ExportAsync("qemu", fifo));
        Assert.Contains(fifo, failed.Message, StringComparison.Ordinal);
        await reading;
    }

    [Theory]
    [InlineData("qemu")]
    [InlineData("qemu-mapped")]
    [InlineData("raw")]
    [InlineData("ber")]
    [InlineData("elf")]
    [InlineData("kdump-zlib")]
    [InlineData("sav")]
    public async Task A_cancelled_export_leaves_what_was_there_before(string format)
    {
        var file = Path.Combine(_directory, "guest");
        File.WriteAllText(file, "before");
        using var cancel = new CancellationTokenSource();
        var progress = new Told(_ => cancel.Cancel());
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => fixture.ExportAsync(format, file, progress, cancel.Token));
        Assert.Equal([file], Directory.GetFiles(_directory));
        Assert.Equal("before", File.ReadAllText(file));
        await fixture.ExportAsync(format, file);
        Assert.Equal([file], Directory.GetFiles(_directory));
        Assert.NotEqual("before", File.ReadAllText(file));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(file));
    }

    [Theory]
    [InlineData("qemu")]
    [InlineData("ber")]
    [InlineData("raw")]
    [InlineData("kdump-zlib")]
    [InlineData("sav")]
    public async Task The_octets_do_not_depend_on_the_number_of_threads(string format)
    {
        var outputs = new List<byte[]>();
        foreach (var processors in (string[])["1", "3"])
        {
            var file = Path.Combine(_directory, processors);
            var start = new ProcessStartInfo(
                TestProgram.Dotnet, TestProgram.Arguments(ExportProgram.Verb, Taken.Repository.Directory, Taken.Checkpoint.Id.ToString(), format, file));
            start.Environment["DOTNET_PROCESSOR_COUNT"] = processors;
            using var process = Process.Start(start)!;
            await process.WaitForExitAsync();
            Assert.Equal(0, process.ExitCode);
            outputs.Add(File.ReadAllBytes(file));
        }
        Assert.Equal(outputs[0], outputs[1]);
    }

    [Fact]
    public async Task Wrong_options_are_refused_before_anything_is_written()
    {
        var file = Path.Combine(_directory, "guest");
        foreach (var options in (ExportOptions[])
        [
            new() { Checkpoint = "latest", Format = "tar", Output = file },
            new() { Checkpoint = "latest", Format = "qemu-mapped", Output = "-" },
            new() { Checkpoint = "latest", Format = "qemu", Output = file, Begin = 0, Length = 4096 },
            new() { Checkpoint = "latest", Format = "raw", Output = file, Begin = 1, Length = 4096 },
            new() { Checkpoint = "latest", Format = "raw", Output = file, Begin = 4096 },
            new() { Checkpoint = "latest", Format = "raw", Output = file, Begin = ulong.MaxValue - 4095, Length = 8192 },
            new() { Checkpoint = "latest", Format = "raw", Output = _directory },
            new() { Checkpoint = "latest", Format = "raw", Output = file, Paging = true },
            new() { Checkpoint = "latest", Format = "elf", Output = file, Plain = true },
            new() { Checkpoint = "latest", Format = "elf", Output = file, Begin = 0xc000_0000, Length = 4096 },
            new() { Checkpoint = "latest", Format = "kdump-zlib", Output = file, Begin = 0, Length = 4096 },
            new() { Checkpoint = "latest", Format = "kdump-zlib", Output = "-", Plain = true },
        ])
        {
            var refused = await Assert.ThrowsAsync<SnapshotException>(() => ExportJob.RunAsync(Taken.Repository, options, null, default));
            Assert.Equal((ErrorCode.Usage, true), (refused.Code, refused.IsPreflight));
        }
        Assert.Empty(Directory.GetFiles(_directory));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private sealed class Told(Action<MemoryProgress> told) : IProgress<MemoryProgress>
    {
        public void Report(MemoryProgress value) => told(value);
    }
}
