using Cutpoint.Compression;

namespace Cutpoint.Workers.Export;

/// <summary>What to import, and how.</summary>
public sealed record ImportOptions
{
    /// <summary>The file.</summary>
    public required string Path { get; init; }

    /// <summary>Name of the checkpoint; null for none.</summary>
    public string? Name { get; init; }

    /// <summary>Name of the guest in the checkpoint; null for the one in the file, or else the file's name without its ending.</summary>
    public string? Guest { get; init; }

    /// <summary>Labels of the checkpoint.</summary>
    public IReadOnlyDictionary<string, string> Labels { get; init; } = new Dictionary<string, string>();

    /// <summary>How sections are compressed.</summary>
    public Codec Codec { get; init; } = Codec.Default;
}
