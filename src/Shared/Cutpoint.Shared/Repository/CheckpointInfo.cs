namespace Cutpoint.Repository;

/// <summary>A committed checkpoint, as listings show it.</summary>
/// <param name="Id">The checkpoint's name for programs; also that of the job that made it.</param>
/// <param name="Name">The name a user gave it, or null.</param>
/// <param name="CreatedAt">When it was committed, to the millisecond.</param>
/// <param name="Root">Root digest over the guests' root digests, names and labels.</param>
/// <param name="Labels">Labels a user gave it.</param>
/// <param name="Guests">Its guests.</param>
public sealed record CheckpointInfo(
    Ulid Id, string? Name, DateTimeOffset CreatedAt, Digest Root, IReadOnlyDictionary<string, string> Labels,
    IReadOnlyList<GuestInfo> Guests);
