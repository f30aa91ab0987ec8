using Cutpoint.Compression;

namespace Cutpoint.Workers.Capture;

/// <summary>How the capture's ladder is measured.</summary>
public sealed record CaptureBenchOptions
{
    /// <summary>A file whose octets stand for guest memory, or null for pages like those of a reference guest.</summary>
    public string? Corpus { get; init; }

    /// <summary>Octets to measure with; more than any cache holds.</summary>
    public long Length { get; init; } = 256L << 20;

    /// <summary>Codec of the sections.</summary>
    public Codec Codec { get; init; } = Codec.Default;

    /// <summary>Rounds of each rung; the best counts.</summary>
    public int Rounds { get; init; } = 3;
}
