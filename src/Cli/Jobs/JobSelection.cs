using Cutpoint.Repository;

namespace Cutpoint.Cli.Jobs;

/// <summary>Finds the job a user means.</summary>
internal static class JobSelection
{
    /// <summary>The job of an id or its beginning. A whole id need not be of a job that is open: its journal may know how it ended.</summary>
    /// <exception cref="SnapshotException">There is none (<see cref="ErrorCode.NotFound"/>), or there are several (<see cref="ErrorCode.Usage"/>).</exception>
    public static async Task<Ulid> ResolveAsync(DirectoryRepository repository, string text, CancellationToken cancellation)
    {
        if (Ulid.TryParse(text, out var whole)) return whole;
        var begun = (await repository.ListJobsAsync(cancellation)).Where(job => job.Id.ToString().StartsWith(text, StringComparison.OrdinalIgnoreCase)).ToList();
        return begun.Count switch
        {
            1 => begun[0].Id,
            0 => throw NotFound(text),
            _ => throw new SnapshotException(
                ErrorCode.Usage, $"'{text}' fits {begun.Count} jobs: {string.Join(", ", begun.Select(job => job.Id))}", "give more of the id") { IsPreflight = true },
        };
    }

    /// <summary>There is no such job.</summary>
    public static SnapshotException NotFound(string text) =>
        new(ErrorCode.NotFound, $"there is no job '{text}'", "'cutpoint list' shows those that wait, run or were interrupted") { IsPreflight = true };
}
