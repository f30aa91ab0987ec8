using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Tests.Qemu.Disks;

/// <summary>The chain of a real QEMU's disk: before cut N the disk gets its block N.</summary>
public sealed class ChainShorteningTests : IAsyncLifetime
{
    private const int BlockLength = 512;

    private readonly string _directory = ToyGuest.MakeDirectory();
    private readonly List<(OverlayEntry Set, int Blocks, DateTimeOffset WrittenAt)> _cuts = [];
    private ToyGuest _guest = null!;
    private int _written;

    private string Disk => Path.Combine(_directory, "disk");

    private OverlayLedger Ledger => new(Path.Combine(_directory, "notes"));

    public async Task InitializeAsync()
    {
        await using (var disk = File.Create(Disk)) disk.SetLength(1 << 20);
        _guest = ToyGuest.Launch("-m", "16", "-drive", $"file={Disk},format=raw,if=virtio,id=d0");
        await _guest.UntilItListensAsync();
    }

    public async Task DisposeAsync()
    {
        await _guest.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>
    /// The process dies after each of the commands it sends to QEMU in turn, and what it leaves is looked at before anybody goes on with it. The second of four
    /// sets is dead: its overlay is the image of the third, and the image of the fourth stands on it.
    /// </summary>
    [Fact]
    public async Task Every_image_a_checkpoint_needs_is_as_it_was_wherever_its_process_dies()
    {
        var isOver = false;
        for (var commands = 2; !isOver; commands++)
        {
            for (var cut = 0; cut < 4; cut++) await CutAsync();
            HashSet<string> dead = [_cuts[1].Set.Id];

            isOver = await ShortenAndDieAsync(dead, commands);

            await EveryImageIsAsItWasAsync(dead, $"died after {commands} commands");
            Assert.All(await ShortenAsync(dead), outcome => Assert.Null(outcome.Problem));
            await EveryImageIsAsItWasAsync(dead, $"went on after {commands} commands");
            Assert.All(Ledger.Read().SelectMany(set => set.Overlays), overlay => Assert.Null(overlay.Merge));
            Assert.Equal([_cuts[3].Set.Overlays[0].Path, _cuts[2].Set.Overlays[0].Path, _cuts[0].Set.Overlays[0].Path, Disk], await ChainAsync());
            // Emptied: a header and its tables.
            Assert.InRange(new FileInfo(_cuts[1].Set.Overlays[0].Path).Length, 1, 4 << 16);

            await EndAsync();
        }
    }

    /// <summary>Forgets everything: the disk is one file again, and has all that was written.</summary>
    private async Task EndAsync()
    {
        var dead = _cuts.Select(cut => cut.Set.Id).ToHashSet();
        await ShortenAsync(dead);
        Assert.Equal([Disk], await ChainAsync());
        Assert.Equal(_written, await BlocksAsync(Disk, "raw"));
        // What stood for an image goes once nobody names it; that needs no QEMU.
        foreach (var set in Ledger.Read())
        {
            Assert.All(set.Overlays, overlay => Assert.False(!overlay.IsMerged || Ledger.Frozen(dead).Read(overlay.Path)));
            foreach (var overlay in set.Overlays) OverlayFile.Delete(overlay);
            Ledger.Remove(set);
        }
        _cuts.Clear();
    }

    private async Task CutAsync()
    {
        await using var monitor = await QmpClient.ConnectAsync(_guest.Socket, TimeProvider.System, default);
        _written++;
        Assert.Equal("", await monitor.HumanMonitorAsync($"qemu-io d0 \"write -q -P 7 {_written * BlockLength} {BlockLength}\"", default));
        var disk = Assert.Single(await monitor.QueryBlockAsync(null, default));
        var id = Ulid.Create(TimeProvider.System);
        var set = new OverlayEntry
        {
            Id = id.ToString(), Repository = "r", Checkpoint = id.ToString(), Socket = _guest.Socket, Boot = ProcessIdentity.Boot,
            Qemu = ProcessIdentity.Of(_guest.ProcessId), Overlays = DiskPlan.Name([disk], id),
        };
        Ledger.Write(set);
        await monitor.AddOverlayAsync(set.Overlays[0], disk, TimeProvider.System, default);
        await monitor.SnapshotAsync(set.Overlays, default);
        _cuts.Add((set, _written, File.GetLastWriteTimeUtc(set.Overlays[0].Image)));
    }

    private Task<IReadOnlyList<OverlayOutcome>> ShortenAsync(HashSet<string> dead) => ShortenAsync(_guest.Socket, dead);

    private async Task<IReadOnlyList<OverlayOutcome>> ShortenAsync(string socket, HashSet<string> dead)
    {
        await using var monitor = await QmpClient.ConnectAsync(socket, TimeProvider.System, default);
        return await new ChainShortening(monitor, null, dead, Ledger, TimeProvider.System).RunAsync(dead, default);
    }

    /// <summary>Lets so many commands through to the monitor; the line is cut then.</summary>
    /// <returns>True when that was enough.</returns>
    private async Task<bool> ShortenAndDieAsync(HashSet<string> dead, int commands)
    {
        var path = Path.Combine(_directory, "line");
        File.Delete(path);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        var passing = PassAsync();
        try
        {
            await ShortenAsync(path, dead);
        }
        catch (QmpException cut) when (cut.Failure == QmpFailure.Ended)
        {
        }
        return await passing;

        async Task<bool> PassAsync()
        {
            using var client = await listener.AcceptAsync();
            using var monitor = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await monitor.ConnectAsync(new UnixDomainSocketEndPoint(_guest.Socket));
            var answers = CopyAsync(monitor, client);
            var buffer = new byte[1 << 16];
            var left = commands;
            // A client that waits for each answer sends each command by itself.
            for (int read; left > 0 && (read = await client.ReceiveAsync(buffer)) > 0; left--) await monitor.SendAsync(buffer.AsMemory(0, read));
            monitor.Shutdown(SocketShutdown.Both);
            client.Shutdown(SocketShutdown.Both);
            await answers;
            return left > 0;
        }

        static async Task CopyAsync(Socket from, Socket to)
        {
            var buffer = new byte[1 << 16];
            try
            {
                for (int read; (read = await from.ReceiveAsync(buffer)) > 0;) await to.SendAsync(buffer.AsMemory(0, read));
            }
            catch (SocketException)
            {
                // The other side is cut already.
            }
        }
    }

    private async Task EveryImageIsAsItWasAsync(HashSet<string> dead, string story)
    {
        await Task.WhenAll(_cuts.Where(cut => !dead.Contains(cut.Set.Id)).Select(async cut =>
        {
            var overlay = cut.Set.Overlays[0];
            Assert.True(await BlocksAsync(overlay.Image, overlay.Format) == cut.Blocks, $"{story}: {overlay.Image}");
            // As a restore looks at it.
            var now = File.GetLastWriteTimeUtc(overlay.Image);
            Assert.True(
                now == cut.WrittenAt.UtcDateTime || Ledger.VouchesFor(overlay.Image, cut.WrittenAt), $"{story}: {overlay.Image} is of {now:O}, not {cut.WrittenAt:O}");
        }));
    }

    private async Task<IReadOnlyList<string?>> ChainAsync()
    {
        await using var monitor = await QmpClient.ConnectAsync(_guest.Socket, TimeProvider.System, default);
        return Assert.Single(await monitor.QueryBlockAsync(null, default)).Files;
    }

    private static async Task<int> BlocksAsync(string image, string format)
    {
        var copy = image + ".copy";
        using var process = Process.Start(new ProcessStartInfo("qemu-img", ["convert", "-U", "-f", format, "-O", "raw", image, copy]) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.True(process.ExitCode == 0, string.Create(CultureInfo.InvariantCulture, $"qemu-img {image}: {error}"));
        var octets = await File.ReadAllBytesAsync(copy);
        var blocks = 0;
        while (octets[(blocks + 1) * BlockLength] == 7) blocks++;
        return octets.AsSpan((blocks + 1) * BlockLength).IndexOfAnyExcept((byte)0) < 0 ? blocks : -1;
    }
}
