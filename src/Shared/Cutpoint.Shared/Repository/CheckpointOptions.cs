using System.Text;
using Cutpoint.Compression;

namespace Cutpoint.Repository;

/// <summary>What a job wants of the checkpoint it makes.</summary>
public sealed record CheckpointOptions
{
    internal const long DefaultPackSize = 64 << 20;

    /// <summary>A name for people, 1 to 255 octets, or null. Need not be unique.</summary>
    public string? Name { get; init; }

    /// <summary>Labels for people and programs.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>How sections are compressed.</summary>
    public Codec Codec { get; init; } = Codec.Default;

    /// <summary>The id of the job, and of the checkpoint, when it was given before; else one is made.</summary>
    public Ulid? Id { get; init; }

    /// <summary>What the job is for, shown to those who wait for it.</summary>
    public string Purpose { get; init; } = "take";

    /// <summary>True when another process may go on with the job after this one has died: from its first guest on, what it wrote stays until that or a cancellation.</summary>
    public bool IsResumable { get; init; }

    /// <summary>Octets after which a pack is finished and the next one started. 64 MiB: small enough to be collected, large enough for
    /// cheap flushes.</summary>
    public long PackSize { get; init; } = DefaultPackSize;

    internal void Check()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(PackSize, 1);
        if (Name is not null) CheckText(Name, "the checkpoint's name", 1);
        foreach (var (name, value) in Labels)
        {
            CheckText(name, "the name of a label", 1);
            CheckText(value, "the value of a label", 0);
        }
    }

    /// <summary>Checks that a text fits into its place in the packs.</summary>
    internal static void CheckText(string text, string what, int min)
    {
        var length = Encoding.UTF8.GetByteCount(text);
        if (length >= min && length <= CommitFormat.MaxTextLength) return;
        throw new SnapshotException(
            ErrorCode.Usage, $"{what} must have {min} to {CommitFormat.MaxTextLength} octets", "choose another one") { IsPreflight = true };
    }
}
