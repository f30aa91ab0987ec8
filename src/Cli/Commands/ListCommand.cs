using System.CommandLine;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Commands;

/// <summary>Lists the committed checkpoints, and the jobs that wait, run or were interrupted.</summary>
internal static class ListCommand
{
    public static Command Create()
    {
        var command = new Verb("list", "List the checkpoints, oldest first, and the jobs that wait, run or were interrupted", "cutpoint list\ncutpoint list --json | jq -r '.checkpoints[].id'");
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            var all = (await repository.ListAsync(cancellation)).Select(info => (Info: info, Job: JobOf(repository, info))).ToList();
            await using var database = await JobDatabase.TryOpenAsync(repository, TimeProvider.System, cancellation);
            var jobs = await ListedJob.ReadAsync(repository, database, cancellation);
            if (parsed.GetValue(CommonOptions.Json))
            {
                JsonOutput.Write(new ListResult([.. all.Select(one => ListedCheckpoint.From(one.Info, one.Job))], jobs), JsonOutput.Types.ListResult);
                return;
            }
            var table = new Table("ID", "NAME", "TAKEN", "GUESTS", ">PAUSE", ">SKEW", ">MEMORY", ">NOT ZERO", ">STORED", "LABELS");
            foreach (var (one, job) in all)
            {
                var missing = job?.Missing is { Count: > 0 } left ? $" ({string.Join(',', left.Select(guest => guest.Name))} missing)" : "";

                table.Add(
                    one.Id.ToString(), one.Name ?? "-", Quantity.When(one.CreatedAt), string.Join(',', one.Guests.Select(guest => guest.Name)) + missing,
                    job?.LongestPause is { } pause ? Quantity.Time(pause) : "-", one.Guests.Count > 1 && job is not null ? Quantity.Time(job.Skew) : "-",
                    Quantity.Bytes(one.Guests.Sum(guest => guest.LogicalBytes)), Quantity.Bytes(one.Guests.Sum(guest => guest.ContentBytes)),
                    Quantity.Bytes(one.Guests.Sum(guest => guest.StoredBytes)), string.Join(' ', one.Labels.Select(label => $"{label.Key}={label.Value}")));
            }
            table.Write(Console.Out);
            foreach (var job in jobs) Console.Out.WriteLine(job);
        });
        return command;
    }

    /// <summary>A checkpoint whose record cannot be read is listed all the same; 'verify' says what is wrong with it.</summary>
    private static JobRecord? JobOf(DirectoryRepository repository, CheckpointInfo info)
    {
        try
        {
            return ShownCheckpoint.JobOf(repository.ReadRecord(info));
        }
        catch (SnapshotException)
        {
            return null;
        }
    }
}

/// <summary>What list prints.</summary>
/// <param name="Checkpoints">Oldest first.</param>
/// <param name="Jobs">Those that run or were interrupted, oldest first.</param>
internal sealed record ListResult(IReadOnlyList<ListedCheckpoint> Checkpoints, IReadOnlyList<ListedJob> Jobs);

/// <summary>A checkpoint in a list.</summary>
internal sealed record ListedCheckpoint(
    string Id, string? Name, DateTimeOffset CreatedAt, string Root, IReadOnlyDictionary<string, string> Labels, JobRecord? Job,
    IReadOnlyList<ListedGuest> Guests)
{
    public static ListedCheckpoint From(CheckpointInfo info) => From(info, null);

    public static ListedCheckpoint From(CheckpointInfo info, JobRecord? job) => new(
        info.Id.ToString(), info.Name, info.CreatedAt, info.Root.ToString(), info.Labels, job,
        [.. info.Guests.Select(guest => new ListedGuest(guest.Name, guest.LogicalBytes, guest.ContentBytes, guest.ReusedBytes, guest.StoredBytes))]);
}

/// <summary>A guest of a checkpoint in a list.</summary>
internal sealed record ListedGuest(string Name, long LogicalBytes, long ContentBytes, long ReusedBytes, long StoredBytes);
