using System.Text.Json;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Cli.Output;

/// <summary>A checkpoint as take and show print it.</summary>
internal sealed record ShownCheckpoint(
    string Id, string? Name, DateTimeOffset CreatedAt, string Root, IReadOnlyDictionary<string, string> Labels, JobRecord? Job,
    IReadOnlyList<ShownGuest> Guests)
{
    /// <summary>True when it holds several guests of one cut, or was to.</summary>
    public bool IsGroup => Job is not null && Guests.Count + Job.Missing.Count > 1;

    public static ShownCheckpoint From(CheckpointReader checkpoint)
    {
        var info = checkpoint.Info;
        return new ShownCheckpoint(
            info.Id.ToString(), info.Name, info.CreatedAt, info.Root.ToString(), info.Labels, JobOf(checkpoint.Record),
            [.. checkpoint.Guests.Select(guest => ShownGuest.From(guest.Manifest, info.Guests.First(one => one.Name == guest.Manifest.Name)))]);
    }

    /// <summary>How a job noted that it went; null when the guests were imported.</summary>
    public static JobRecord? JobOf(string record) => JsonSerializer.Deserialize(record, JobJson.Default.JobRecord) is { Attempts: > 0 } job ? job : null;
}

/// <summary>A guest of a checkpoint: how it was captured and what there is of it.</summary>
internal sealed record ShownGuest
{
    public required string Name { get; init; }

    public required string Root { get; init; }

    public required long LogicalBytes { get; init; }

    public required long ContentBytes { get; init; }

    public required long ReusedBytes { get; init; }

    public required long StoredBytes { get; init; }

    /// <summary>Octets of pages this checkpoint had to store, before compression.</summary>
    public long NewBytes => ContentBytes - ReusedBytes;

    /// <summary>Octets of pages that are zero; they take no room.</summary>
    public long ZeroBytes => LogicalBytes - ContentBytes;

    /// <summary>What it started from; null when it was to start from nothing, and for an imported guest.</summary>
    public BaseReport? Base { get; init; }

    /// <summary>Null for an imported guest: it was not captured here.</summary>
    public string? Transport { get; init; }

    public string? Strategy { get; init; }

    public string? Reason { get; init; }

    public required IReadOnlyList<PassReport> Passes { get; init; }

    public CutReport? Cut { get; init; }

    public required GuestDescription Description { get; init; }

    public required IReadOnlyList<ShownDevice> Devices { get; init; }

    public static ShownGuest From(GuestManifest manifest, GuestInfo info)
    {
        var record = JsonSerializer.Deserialize(manifest.Record, JobJson.Default.GuestRecord);
        var captured = record is { Passes.Count: > 0 } ? record : null;
        return new ShownGuest
        {
            Name = info.Name,
            Root = info.Root.ToString(),
            LogicalBytes = info.LogicalBytes,
            ContentBytes = info.ContentBytes,
            ReusedBytes = info.ReusedBytes,
            StoredBytes = info.StoredBytes,
            Transport = captured?.Transport.ToString().ToLowerInvariant(),
            Strategy = captured?.Strategy.ToString().ToLowerInvariant(),
            Reason = captured?.Reason,
            Base = captured?.Base,
            Passes = captured?.Passes ?? [],
            Cut = captured?.Cut,
            Description = manifest.Description,
            Devices = [.. manifest.Devices.Select(device => new ShownDevice(device.Unit.Name, device.Unit.Instance, device.Version, device.Length))],
        };
    }
}

/// <summary>A unit without pages.</summary>
internal sealed record ShownDevice(string Name, uint Instance, uint Version, long Length);
