using System.Globalization;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>What <c>take</c> is held to: time and size against QEMU's own stream through a compressor, the pause, the memory it needs.</summary>
internal static class TakeRows
{
    private const int GuestMiB = 1024;
    private const int LargeMiB = 4096;
    private const int PauseTakes = 7;
    private const long MostMemory = 512L << 20;

    public static IEnumerable<BenchRow> All =>
    [
        BenchRow.Of("take-direct-zstd", GuestMiB, (guest, work) => new Contest(
            Takes.Of(guest.Guest.Uri, work, "--transport", "direct", "--codec", "zstd:1"), Migrations.Into(guest, "zstd -1 -T2", work), 0.8, 1.0)),
        BenchRow.Of("take-stream-zstd", GuestMiB, (guest, work) => new Contest(
            Takes.Of(guest.Guest.Uri, work, "--transport", "stream", "--codec", "zstd:1"), Migrations.Into(guest, "zstd -1 -T2", work), 1.0, 1.0)),
        BenchRow.Of("take-direct-lz4", GuestMiB, (guest, work) => new Contest(
            Takes.Of(guest.Guest.Uri, work, "--transport", "direct", "--codec", "lz4"), Migrations.Into(guest, "lz4 -1", work), 0.5, 1.05)),
        BenchRow.Of("take-encrypted", GuestMiB, (guest, work) => new Contest(
            Takes.Encrypted(guest.Guest.Uri, work, "--codec", "zstd:1"), Takes.Of(guest.Guest.Uri, work, "--codec", "zstd:1"), null)),
        BenchRow.Of("take-second", GuestMiB, (guest, work) => new Contest(
            Takes.Second(guest.Guest.Uri, work), Takes.Of(guest.Guest.Uri, work), 0.35, 0.02)),
        PauseOf("pause-direct", "auto", "told by the kernel", 0.050),
        PauseOf("pause-direct-hashes", "hashes", "by page hashes", 0.150),
        MemoryOf("memory-1GiB-direct", GuestMiB, "direct"),
        MemoryOf("memory-1GiB-stream", GuestMiB, "stream"),
        MemoryOf("memory-4GiB-direct", LargeMiB, "direct"),
        MemoryOf("memory-4GiB-stream", LargeMiB, "stream"),
        new("memory-64GiB-reference", (guests, output, cancellation) =>
            MemoryAsync("memory-64GiB-reference", "reference:large?ram=64GiB&zero=98&random=1", "auto", guests, output, cancellation)),
    ];

    private static BenchRow PauseOf(string name, string tracking, string how, double most) => new(name, (guests, output, cancellation) =>
        PauseAsync(name, tracking, how, most, guests, output, cancellation));

    private static async Task<bool> PauseAsync(
        string name, string tracking, string how, double most, BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        var guest = await guests.OfAsync(GuestMiB, cancellation);
        var take = Takes.Of(guest.Guest.Uri, guests.Work, "--transport", "direct", "--tracking", tracking);
        List<Trial> trials = [];
        for (var i = 0; i <= PauseTakes; i++) trials.Add(await take.RunAsync(cancellation));
        // The first one warms caches up.
        trials.RemoveAt(0);
        var pause = ContestResult.Median(trials, trial => Seconds(trial, "pause")) * 1024 / GuestMiB;
        var reached = pause <= most;
        output.WriteLine($"{name}: {(reached ? "reached" : "MISSED")}: the pause of an idle guest, dirty pages {how}");
        output.WriteLine($"  measured:  {List("pause")}");
        output.WriteLine($"  predicted: {List("predictedPause")}");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  median: {pause * 1000:F0} ms per GiB (at most {most * 1000:F0})"));
        return reached;

        string List(string figure) => string.Join(' ', trials.Select(trial => (Seconds(trial, figure) * 1000).ToString("F0", CultureInfo.InvariantCulture))) + " ms";
    }

    private static double Seconds(Trial trial, string name) =>
        TimeSpan.Parse((string)trial.Said!["guests"]![0]!["cut"]![name]!, CultureInfo.InvariantCulture).TotalSeconds;

    private static BenchRow MemoryOf(string name, int memoryMiB, string transport) => new(name, async (guests, output, cancellation) =>
        await MemoryAsync(name, (await guests.OfAsync(memoryMiB, cancellation)).Guest.Uri, transport, guests, output, cancellation));

    private static async Task<bool> MemoryAsync(
        string name, string uri, string transport, BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        var peak = await Takes.PeakMemoryAsync(uri, guests.Work, cancellation, "--transport", transport);
        var reached = peak < MostMemory;
        output.WriteLine($"{name}: {(reached ? "reached" : "MISSED")}: {peak >> 20} MiB of anonymous memory at most (under {MostMemory >> 20} MiB)");
        return reached;
    }
}
