using Cutpoint.Benchmarks.Groups;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>
/// The table of figures this project is held to, measured on real guests with the published executable. Every row prints what it measured and what it may
/// be at most; one that is missed makes the run fail.
/// </summary>
internal static class GuestBench
{
    private static readonly BenchRow[] Rows = [.. TakeRows.All, .. ResumeRows.All, .. RestoreRows.All, .. CloneRows.All, .. ExportRows.All, .. GroupRows.All];

    /// <summary>Runs the rows whose name contains a text; "all" is every one.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string text)
    {
        var wanted = Rows.Where(row => text == "all" || row.Name.Contains(text, StringComparison.Ordinal)).ToList();
        if (wanted.Count == 0)
        {
            Console.Error.WriteLine($"no row '{text}': they are all, {string.Join(", ", Rows.Select(row => row.Name))}");
            return 2;
        }
        using var interrupted = new CancellationTokenSource();
        Console.CancelKeyPress += (_, press) =>
        {
            press.Cancel = true;
            interrupted.Cancel();
        };
        await using var guests = new BenchGuests(Directory.CreateDirectory(Path.Combine(GuestKit.Root, "artifacts", "bench")).FullName);
        var missed = 0;
        foreach (var row in wanted)
        {
            if (!await row.RunAsync(guests, Console.Out, interrupted.Token)) missed++;
        }
        return missed == 0 ? 0 : 1;
    }
}
