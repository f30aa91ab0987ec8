using System.Text.Json.Serialization;

namespace Cutpoint.Guests;

/// <summary>
/// A writable disk of a guest at the cut. Its image is frozen: the guest writes into an overlay since, so the image holds what the disk held at the cut, for
/// as long as nobody else writes to it. Image contents are not copied into the repository.
/// </summary>
/// <param name="Device">The disk as the machine names it, for people.</param>
/// <param name="Format">The frozen image's format, such as "qcow2" or "raw".</param>
/// <param name="Octets">The disk's size as the guest sees it.</param>
/// <param name="Chain">The frozen image, and below it the files it stands on; absolute paths, at least one.</param>
/// <param name="Overlay">Where the source guest has written since; absolute path.</param>
public sealed record DiskSnapshot(string Device, string Format, long Octets, IReadOnlyList<string> Chain, string Overlay)
{
    /// <summary>The frozen image.</summary>
    [JsonIgnore]
    public string Image => Chain[0];

    /// <summary>When the image was last written to, as its file said once it was frozen; another time now means that it is not what it was. Null when unknown.</summary>
    public DateTimeOffset? WrittenAt { get; init; }

    /// <summary>The host the image lies on, by its name; null when unknown.</summary>
    public string? Host { get; init; }

    /// <summary>True when something a reader counts on is missing after all: JSON that others made can say that of anything.</summary>
    internal bool IsIncomplete => Device is null || Format is null || Overlay is null || Octets < 0 || Chain is not { Count: > 0 } || Chain.Any(file => file is null);
}
