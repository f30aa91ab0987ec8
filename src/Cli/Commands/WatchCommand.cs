using System.CommandLine;
using System.Globalization;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Tells what happens in a job, wherever it runs, until it is over.</summary>
internal static class WatchCommand
{
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(250);

    public static Command Create() => JobVerb.Create(
        "watch", "Follow a job until it is over; exit code 8 when it was interrupted", "cutpoint watch 01M7Z7T4T6PEQ3EQHC0YDK27FX",
        (parsed, repository, job, cancellation) => WatchAsync(repository, job, parsed.GetValue(CommonOptions.Json), TimeProvider.System, cancellation));

    private static async Task<int> WatchAsync(DirectoryRepository repository, Ulid job, bool json, TimeProvider time, CancellationToken cancellation)
    {
        await using var database = await JobDatabase.TryOpenAsync(repository, time, cancellation) ?? throw JobSelection.NotFound(job.ToString());
        JobState? state = null;
        for (long last = 0; ;)
        {
            // Asked before the events are read: a job that has ended since then has written its end.
            var open = (await repository.ListJobsAsync(cancellation)).FirstOrDefault(one => one.Id == job);
            var events = await JobJournal.ReadAsync(database, job.ToString(), last, cancellation);
            if (state is null && events.Count == 0) throw JobSelection.NotFound(job.ToString());
            foreach (var (number, at, happened) in events)
            {
                state = state is null ? JobFold.Replay([happened]) : JobFold.Apply(state, happened);
                last = number;
                if (json) JsonOutput.Write(new WatchedEvent(number, at, happened), JsonOutput.Types.WatchedEvent);
                else if (Describe(happened) is { } line) Console.Out.WriteLine($"{at.ToLocalTime():HH:mm:ss.fff}  {line}");
            }
            if (state!.Phase is JobPhase.Committed && state.IsOver && open is not { IsRunning: true }) return 0;
            if (state.Phase is JobPhase.Aborted) throw state.Error!.ToException();
            // A job that was submitted and that nobody has begun waits, as this does.
            if (open is not { IsRunning: true } && (open is not null || state.Phase != JobPhase.Planned || repository.DatabaseConnectionString is null))
            {
                if (events.Count > 0) continue;
                throw new SnapshotException(
                    ErrorCode.Interrupted, $"job {job} was interrupted", $"'cutpoint resume {job}' goes on, 'cutpoint cancel {job}' removes it");
            }
            await Task.Delay(PollInterval, time, cancellation);
        }
    }

    private static string? Describe(JobEvent happened) => happened switch
    {
        JobPlanned e => $"planned: {string.Join(", ", e.Plan.Guests.Select(guest => guest.Uri))}",
        JobResumed e => string.Create(CultureInfo.InvariantCulture, $"process {e.Attempt} goes on"),
        GuestLookedAt { Answer: var a } => $"{a.Guest}: {a.Transport.ToString().ToLowerInvariant()}/{a.Strategy.ToString().ToLowerInvariant()}, {a.Reason}",
        PassStarted e => string.Create(CultureInfo.InvariantCulture, $"pass {e.Pass}"),
        PassEnded { Answer: var a } => string.Create(
            CultureInfo.InvariantCulture,
            $"{a.Guest}: {a.Report.PagesRead:N0} pages read, {a.Report.PagesChanged:N0} changed, {Quantity.Bytes(a.Report.BytesStored)} stored in {Quantity.Time(a.Report.Duration)}; vote: {a.Decision}"),
        CutStarted e => string.Create(CultureInfo.InvariantCulture, $"cut {e.Epoch}"),
        GuestThawed { Answer: var a } => $"{a.Guest}: paused {(a.Cut.Pause is { } pause ? Quantity.Time(pause) : "before already")}",
        CutVoided e => $"cut void: {e.Reason}",
        DrainStarted => "storing the rest",
        CommitStarted => "committing",
        CheckpointCommitted => "committed",
        AbortStarted e => $"ending: {e.Error.Message}",
        JobAborted => "ended without a checkpoint",
        JobInterrupted => "interrupted",
        _ => null,
    };
}

/// <summary>A line of watch --json.</summary>
internal sealed record WatchedEvent(long Number, DateTimeOffset At, JobEvent Event);
