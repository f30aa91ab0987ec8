using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.BadDays;

public sealed class File_that_is_damaged : BadDay
{
    [Fact]
    public async Task A_stream_that_was_cut_or_altered_is_refused_and_an_intact_one_is_taken_with_a_word_of_caution()
    {
        await InitAsync();
        await using var guest = await BootAsync(new GuestOptions { RamKiB = 98312 });
        await Cutpoint.QueryAsync(Cancellation, "take", guest.Uri, "--name", "one");
        var stream = Directory.File("stream");
        Assert.Equal(0, (await RunAsync("export", "one", "--format", "qemu", "-o", stream)).ExitCode);
        var octets = await File.ReadAllBytesAsync(stream, Cancellation);

        var cut = Directory.File("cut");
        await File.WriteAllBytesAsync(cut, octets[..(octets.Length / 2)], Cancellation);
        IsOneClearLine(await RunAsync("import", cut), 5, "offset");

        var altered = Directory.File("altered");
        octets[5] ^= 0x40;
        await File.WriteAllBytesAsync(altered, octets, Cancellation);
        IsOneClearLine(await RunAsync("import", altered), 5, "offset");

        Assert.Single((await Cutpoint.QueryAsync(Cancellation, "list"))["checkpoints"]!.AsArray());
        var imported = await RunAsync("import", stream, "--name", "two");
        Assert.True(imported.ExitCode == 0, imported.Error);
        Assert.Contains("no checksum", imported.Output, StringComparison.Ordinal);
        Assert.Equal(0, (await RunAsync("verify", "two")).ExitCode);
    }

    [Fact]
    public async Task A_file_of_no_known_format_is_named()
    {
        await InitAsync();
        var file = Directory.File("notes.txt");
        await File.WriteAllTextAsync(file, "not a guest", Cancellation);

        IsOneClearLine(await RunAsync("inspect", file), 6, file);
        IsOneClearLine(await RunAsync("import", file), 6, file);
        IsOneClearLine(await RunAsync("inspect", Directory.File("gone")), 10, Directory.File("gone"));
    }
}
