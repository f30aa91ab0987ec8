using System.Diagnostics;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.BadDays;

public sealed class Repository_that_fails : BadDay
{
    private const string Guest = "reference:a?ram=64MiB";

    [Fact]
    public async Task Is_full()
    {
        // A file system of 8 MiB, seen by this one shell alone.
        var result = await InNamespaceAsync($"mount -t tmpfs -o size=8m none {Directory.Path} && {Program} init > /dev/null && {Program} take '{Guest}'; "
            + $"code=$?; {Program} list --json; exit $code");

        Assert.StartsWith("""{"checkpoints":[],""", result.Output.Trim(), StringComparison.Ordinal);
        IsOneClearLine(result, 7, "space");
    }

    [Fact]
    public async Task Is_read_only()
    {
        await InitAsync();
        await Cutpoint.QueryAsync(Cancellation, "take", Guest, "--name", "before");

        var taken = await InNamespaceAsync($"mount --bind {Directory.Path} {Directory.Path} && mount -o remount,bind,ro {Directory.Path} && {Program} take '{Guest}'");
        var read = await InNamespaceAsync(
            $"mount --bind {Directory.Path} {Directory.Path} && mount -o remount,bind,ro {Directory.Path} && {Program} list && {Program} verify");

        IsOneClearLine(taken, 1, $"{Cutpoint.Repository} is on a read-only file system");
        Assert.True(read.ExitCode == 0, read.Error);
        Assert.Contains("before", read.Output, StringComparison.Ordinal);
        Assert.Contains("sound", read.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Has_a_pack_with_one_flipped_bit()
    {
        var pack = await TakeAsync();
        using (var file = new FileStream(pack, FileMode.Open, FileAccess.ReadWrite))
        {
            file.Position = file.Length / 2;
            var octet = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(octet ^ 0x10));
        }

        foreach (var result in (CutpointResult[])[await RunAsync("verify", "one"), await RunAsync("verify", "--sample", "100%")])
        {
            Assert.Equal(5, result.ExitCode);
            Assert.Contains(Path.GetFileNameWithoutExtension(pack), result.Output, StringComparison.Ordinal);
            Assert.Contains("hits checkpoint", result.Output, StringComparison.Ordinal);
            Assert.StartsWith("cutpoint: ", result.Error, StringComparison.Ordinal);
        }
        IsOneClearLine(await RunAsync("verify", "--sample", "0"), 2, "--sample");
    }

    [Theory]
    [InlineData(-1000)]
    [InlineData(1000)]
    public async Task Has_a_pack_of_another_length(int change)
    {
        var pack = await TakeAsync();
        using (var file = new FileStream(pack, FileMode.Open, FileAccess.ReadWrite)) file.SetLength(file.Length + change);

        var result = await RunAsync("verify");

        Assert.Equal(5, result.ExitCode);
        Assert.Contains(Path.GetFileNameWithoutExtension(pack), result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Has_lost_its_catalog_and_gets_it_back()
    {
        await TakeAsync();
        var before = (await RunAsync("list")).Output;
        foreach (var file in System.IO.Directory.EnumerateFiles(Cutpoint.Repository, "catalog.db*")) File.WriteAllText(file, "this is no database");

        var listed = await RunAsync("list");
        IsOneClearLine(listed, 5, "catalog");
        Assert.Contains("cutpoint repair", listed.Error, StringComparison.Ordinal);
        Assert.Equal(5, (await RunAsync("doctor")).ExitCode);

        Assert.Equal(0, (await RunAsync("repair")).ExitCode);

        Assert.Equal(before, (await RunAsync("list")).Output);
        Assert.Equal(0, (await RunAsync("verify")).ExitCode);
    }

    [Fact]
    public async Task Keeps_what_a_killed_take_left_until_it_is_cancelled()
    {
        await InitAsync();
        await using (var take = RunningTake.Start(Cutpoint, "reference:a?ram=256MiB", "--codec", "zstd:15"))
        {
            Assert.True(await take.ReachAsync("Live", Cancellation));
            // Its first pack comes after its first pass has begun.
            while (!HasPacks())
            {
                Cancellation.ThrowIfCancellationRequested();
                await Task.Yield();
            }
            take.Signal(9);
            await take.EndAsync(Cancellation);
        }
        await NothingIsListedAsync();
        Assert.Contains("leftover", (await RunAsync("doctor")).Output, StringComparison.Ordinal);
        var job = System.Text.Json.Nodes.JsonNode.Parse((await RunAsync("list", "--json")).Output)!["jobs"]![0]!["id"]!.GetValue<string>();

        Assert.Equal(0, (await RunAsync("gc")).ExitCode);
        Assert.Contains("leftover", (await RunAsync("doctor")).Output, StringComparison.Ordinal);

        Assert.Equal(0, (await RunAsync("cancel", job)).ExitCode);
        Assert.Equal(0, (await RunAsync("gc")).ExitCode);
        Assert.DoesNotContain("leftover", (await RunAsync("doctor")).Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Walks_with_a_strangers_tool()
    {
        var pack = await TakeAsync();
        using var openssl = Process.Start(new ProcessStartInfo("openssl", ["asn1parse", "-inform", "DER", "-in", pack]) { RedirectStandardOutput = true })!;
        var walked = await openssl.StandardOutput.ReadToEndAsync(Cancellation);
        await openssl.WaitForExitAsync(Cancellation);
        Assert.Equal(0, openssl.ExitCode);
        Assert.Contains("appl [ 2 ]", walked, StringComparison.Ordinal);
    }

    private bool HasPacks() =>
        System.IO.Directory.EnumerateFiles(Path.Combine(Cutpoint.Repository, "packs"), "*", SearchOption.AllDirectories).Any();

    private string Program => $"{GuestKit.Executable} --repository {Cutpoint.Repository}";

    /// <summary>Takes a small checkpoint named one; returns its pack.</summary>
    private async Task<string> TakeAsync()
    {
        await InitAsync();
        await Cutpoint.QueryAsync(Cancellation, "take", "reference:a?ram=4MiB", "--name", "one");
        return System.IO.Directory.EnumerateFiles(Path.Combine(Cutpoint.Repository, "packs")).Single();
    }

    /// <summary>Runs a shell that may mount, and whose mounts nobody else sees.</summary>
    private async Task<CutpointResult> InNamespaceAsync(string script)
    {
        var start = Cutpoint.Command();
        start.FileName = "unshare";
        foreach (var argument in (string[])["--user", "--map-root-user", "--mount", "sh", "-c", script]) start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        return await CutpointProgram.FinishAsync(process, Cancellation);
    }
}
