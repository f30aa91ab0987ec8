using System.Diagnostics;
using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>Dumps of a checkpoint, and what is done today: QEMU's own dump of the guest, and a copy of the finished file.</summary>
internal static class Exports
{
    /// <summary>An export of a checkpoint that was taken right before, into a file that is flushed to the disk.</summary>
    public static Contestant Of(FilledGuest guest, string work, string format) =>
        new($"cutpoint export --format {format} -o f", cancellation => InRepositoryAsync(guest, work, async (cutpoint, home) =>
        {
            var file = Path.Combine(home, "f");
            return await MeasureAsync(file, () => cutpoint.QueryAsync(cancellation, "export", "latest", "--format", format, "-o", file));
        }, cancellation));

    /// <summary>QEMU's dump of the guest, which stands still meanwhile, into a file that is flushed to the disk.</summary>
    public static Contestant Qemu(FilledGuest guest, string work, string format) =>
        new($"dump-guest-memory {format}", cancellation =>
        {
            var file = Path.Combine(work, "dumped");
            var arguments = new JsonObject { ["paging"] = false, ["protocol"] = $"file:{file}", ["format"] = format };
            return MeasureAsync(file, () => guest.Guest.ExecuteAsync("dump-guest-memory", arguments, cancellation));
        });

    /// <summary>A copy of the exported file by cat, flushed to the disk.</summary>
    public static Contestant Copy(FilledGuest guest, string work, string format) =>
        new("cat f > g", cancellation => InRepositoryAsync(guest, work, async (cutpoint, home) =>
        {
            var (file, copy) = (Path.Combine(home, "f"), Path.Combine(home, "g"));
            await cutpoint.QueryAsync(cancellation, "export", "latest", "--format", format, "-o", file);
            return await MeasureAsync(copy, async () =>
            {
                using var cat = Process.Start("/bin/sh", ["-c", $"cat {file} > {copy}"]);
                await cat.WaitForExitAsync(cancellation);
            });
        }, cancellation));

    private static async Task<Trial> InRepositoryAsync(
        FilledGuest guest, string work, Func<CutpointProgram, string, Task<Trial>> run, CancellationToken cancellation)
    {
        var home = Directory.CreateDirectory(Path.Combine(work, "export")).FullName;
        try
        {
            var cutpoint = new CutpointProgram(Path.Combine(home, "repository"), Path.Combine(home, "state"));
            await cutpoint.QueryAsync(cancellation, "init");
            await cutpoint.QueryAsync(cancellation, "take", guest.Guest.Uri);
            return await run(cutpoint, home);
        }
        finally
        {
            Directory.Delete(home, recursive: true);
        }
    }

    private static async Task<Trial> MeasureAsync(string path, Func<Task> write)
    {
        var started = Stopwatch.GetTimestamp();
        await write();
        using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite);
        RandomAccess.FlushToDisk(file);
        var trial = new Trial(Stopwatch.GetElapsedTime(started), RandomAccess.GetLength(file));
        File.Delete(path);
        return trial;
    }
}
