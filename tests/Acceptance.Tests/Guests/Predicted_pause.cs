using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Guests;

/// <summary>The pause a user is told beforehand, against the one the guest had by QEMU's own events.</summary>
public sealed class Predicted_pause : IDisposable
{
    /// <summary>A busy host holds up a pause by this much without anybody's fault, and an idle one is this much faster than its model.</summary>
    private static readonly TimeSpan Hiccup = TimeSpan.FromMilliseconds(250), Haste = TimeSpan.FromMilliseconds(50);

    private readonly CancellationTokenSource _cancellation = new(TimeSpan.FromMinutes(2));
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
        var (monitor, serial) = (_directory.File("qmp"), _directory.File("serial"));
        using var qemu = Process.Start("qemu-system-aarch64", [
            "-machine", "virt,memory-backend=ram0", "-object", $"memory-backend-file,id=ram0,size=70M,mem-path={_directory.File("ram")},share=on",
            "-accel", "tcg", "-cpu", "cortex-a57", "-smp", "2", "-m", "70M", "-nodefaults", "-display", "none",
            "-kernel", Path.Combine(AppContext.BaseDirectory, "virt.elf"), "-serial", $"file:{serial}", "-qmp", $"unix:{monitor},server=on,wait=off"]);
        try
        {
            using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
            while (!File.Exists(serial) || new FileInfo(serial).Length == 0) await timer.WaitForNextTickAsync(_cancellation.Token);
            await _cutpoint.QueryAsync(_cancellation.Token, "init");

            var refused = await _cutpoint.RunAsync(_cancellation.Token, "take", $"qemu:{monitor}", "--transport", "direct", "--downtime", "10ms");
            Assert.Equal(4, refused.ExitCode);
            Assert.Matches(@"its shortest pause with page hashes is \d+(\.\d)? ms, allowed are 10 ms — allow --downtime \d+ms or more", refused.Error);

            // The flash is 128 MiB. It was the first to be looked at in the stop, and the guest stood still while the kernel made memory for it.
            await TakeAsync($"qemu:{monitor}", "direct");
        }
        finally
        {
            qemu.Kill();
            await qemu.WaitForExitAsync(CancellationToken.None);
        }
    }

    [Fact]
    public async Task Of_a_guest_that_is_read_by_its_stream_holds_while_it_writes()
    {
        await using var guest = await Guest.BootAsync(new GuestOptions { Ram = GuestRam.Private }, _directory.File("guest"), _cancellation.Token);
        await _cutpoint.QueryAsync(_cancellation.Token, "init");
        await TakeAsync(guest.Uri, "stream");
        Assert.Empty(guest.Serial.Complaints);
    }

    private async Task TakeAsync(string uri, string transport)
    {
        await _cutpoint.QueryAsync(_cancellation.Token, "take", uri, "--transport", transport);
        var cut = (await _cutpoint.QueryAsync(_cancellation.Token, "show", "latest"))["guests"]![0]!["cut"]!;
        var (predicted, measured) = (Time(cut, "predictedPause"), Time(cut, "pause"));
        Assert.True(measured <= (2 * predicted) + Hiccup, $"paused {measured.TotalMilliseconds} ms, predicted {predicted.TotalMilliseconds} ms: {cut}");
        Assert.True(predicted <= (2 * measured) + Haste, $"paused {measured.TotalMilliseconds} ms, predicted {predicted.TotalMilliseconds} ms: {cut}");
    }

    private static TimeSpan Time(JsonNode cut, string name) => TimeSpan.Parse((string)cut[name]!, CultureInfo.InvariantCulture);
}
