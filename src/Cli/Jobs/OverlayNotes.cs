using Cutpoint.Repository;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Cli.Jobs;

/// <summary>Merges back the overlays no checkpoint needs any more, on the way of verbs that are about something else, and says so on standard error.</summary>
internal static class OverlayNotes
{
    /// <summary>Merges what can be merged. That one cannot be keeps nobody from the others, nor from what the verb is about.</summary>
    public static async Task MergeAsync(DirectoryRepository repository, TimeProvider time, CancellationToken cancellation)
    {
        try
        {
            foreach (var outcome in await new OverlayUpkeep(new OverlayLedger(), time).RunAsync(repository, cancellation))
                await Console.Error.WriteLineAsync($"cutpoint: note: {(outcome.Problem is { } problem ? Text(problem) : $"{outcome.Socket}: {outcome.Details}")}");
        }
        catch (SnapshotException unreadable)
        {
            await Console.Error.WriteLineAsync($"cutpoint: note: {Text(unreadable)}");
        }
    }

    private static string Text(SnapshotException problem) => $"{problem.Message}{(problem.Advice is null ? "" : $" — {problem.Advice}")}";
}
