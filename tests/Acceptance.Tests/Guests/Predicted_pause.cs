using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Guests;

/// <summary>
/// The pause a user is told beforehand, against the one the guest had by QEMU's own events. A host that is busy with something else holds up a pause without anybody's
/// fault, so the one that fits of several is enough: a model that is wrong never fits.
/// </summary>
public sealed class Predicted_pause : IDisposable
{
    private const int Attempts = 10;

    /// <summary>A host holds up a pause by this much, and an idle one is this much faster than its model.</summary>
    private static readonly TimeSpan Hiccup = TimeSpan.FromMilliseconds(250), Haste = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _cancellation = new(TimeSpan.FromMinutes(5));
    private readonly TemporaryDirectory _directory = new();
    private readonly CutpointProgram _cutpoint;

    public Predicted_pause() => _cutpoint = new CutpointProgram(_directory.File("repository"), _directory.File("state"));

    public void Dispose()
    {
        _cancellation.Dispose();
        _directory.Dispose();
    }

    [Fact]
    public async Task Of_a_guest_with_flash_that_nobody_has_used_yet_is_that_of_the_device_stream()
    {
        await _cutpoint.QueryAsync(_cancellation.Token, "init");
        // The flash is 128 MiB. It was the first to be looked at in the stop, and the guest stood still while the kernel made memory for it: a new guest each time.
        await FitsOnceAsync(attempt => TakeWithFlashAsync(_directory.File($"flash-{attempt}")));
    }

    [Fact]
    public async Task Of_a_guest_that_is_read_by_its_stream_holds_while_it_writes()
    {
        await using var guest = await Guest.BootAsync(new GuestOptions { Ram = GuestRam.Private }, _directory.File("guest"), _cancellation.Token);
        await _cutpoint.QueryAsync(_cancellation.Token, "init");
        await FitsOnceAsync(_ => TakeAsync(guest.Uri, "stream"));
        Assert.Empty(guest.Serial.Complaints);
    }

    private async Task<(TimeSpan Predicted, TimeSpan Measured)> TakeWithFlashAsync(string directory)
    {
        Directory.CreateDirectory(directory);
        var (monitor, serial) = (Path.Combine(directory, "qmp"), Path.Combine(directory, "serial"));
        using var qemu = Process.Start("qemu-system-aarch64", [
            "-machine", "virt,memory-backend=ram0", "-object", $"memory-backend-file,id=ram0,size=70M,mem-path={directory}/ram,share=on",
            "-accel", "tcg", "-cpu", "cortex-a57", "-smp", "2", "-m", "70M", "-nodefaults", "-display", "none",
            "-kernel", Path.Combine(AppContext.BaseDirectory, "virt.elf"), "-serial", $"file:{serial}", "-qmp", $"unix:{monitor},server=on,wait=off"]);
        try
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!File.Exists(serial) || new FileInfo(serial).Length == 0) await timer.WaitForNextTickAsync(_cancellation.Token);
            var refused = await _cutpoint.RunAsync(_cancellation.Token, "take", $"qemu:{monitor}", "--transport", "direct", "--downtime", "10ms");
            Assert.Equal(4, refused.ExitCode);
            Assert.Matches(@"its shortest pause with write protection is \d+(\.\d)? ms, allowed are 10 ms — allow --downtime \d+ms or more", refused.Error);

            return await TakeAsync($"qemu:{monitor}", "direct");
        }
        finally
        {
            qemu.Kill();
            await qemu.WaitForExitAsync(CancellationToken.None);
        }
    }

    private async Task<(TimeSpan Predicted, TimeSpan Measured)> TakeAsync(string uri, string transport)
    {
        await _cutpoint.QueryAsync(_cancellation.Token, "take", uri, "--transport", transport);
        var cut = (await _cutpoint.QueryAsync(_cancellation.Token, "show", "latest"))["guests"]![0]!["cut"]!;
        return (Time(cut, "predictedPause"), Time(cut, "pause"));
    }

    private static async Task FitsOnceAsync(Func<int, Task<(TimeSpan Predicted, TimeSpan Measured)>> take)
    {
        List<string> said = [];
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var (predicted, measured) = await take(attempt);
            if (measured <= (2 * predicted) + Hiccup && predicted <= (2 * measured) + Haste) return;
            said.Add($"paused {measured.TotalMilliseconds} ms, predicted {predicted.TotalMilliseconds} ms");
        }
        Assert.Fail(string.Join("; ", said));
    }

    private static TimeSpan Time(JsonNode cut, string name) => TimeSpan.Parse((string)cut[name]!, CultureInfo.InvariantCulture);
}
