using System.Globalization;
using Cutpoint.Formats;

namespace Cutpoint.Compression;

/// <summary>The user's choice of a codec: <c>zstd[:LEVEL]</c>, <c>lz4</c> or <c>none</c>.</summary>
/// <param name="Kind">The codec.</param>
/// <param name="Level">Zstandard's level; 0 for the others.</param>
public readonly record struct Codec(CodecKind Kind, int Level)
{
    /// <summary>The lowest level of Zstandard that is taken.</summary>
    public const int MinLevel = 1;

    /// <summary>The highest level of Zstandard that is taken; those above need more memory per thread than a job has.</summary>
    public const int MaxLevel = 19;

    /// <summary>Zstandard, level 1: the best ratio that keeps up with a guest's memory.</summary>
    public static Codec Default => new(CodecKind.Zstd, 1);

    /// <summary>Reads the choice.</summary>
    /// <exception cref="SnapshotException">The text names no codec (<see cref="ErrorCode.Usage"/>).</exception>
    public static Codec Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        switch (text)
        {
            case "none": return new Codec(CodecKind.None, 0);
            case "lz4": return new Codec(CodecKind.Lz4, 0);
            case "zstd": return Default;
        }
        if (!text.StartsWith("zstd:", StringComparison.Ordinal))
            throw Wrong($"'{text}' is not a codec");
        if (!int.TryParse(text.AsSpan(5), NumberStyles.None, CultureInfo.InvariantCulture, out var level)
            || level is < MinLevel or > MaxLevel)
            throw Wrong($"'{text}': the level of zstd is a number from {MinLevel} to {MaxLevel}");
        return new Codec(CodecKind.Zstd, level);
    }

    /// <summary>The codec for sections of guest memory: 4 MiB at a time.</summary>
    public IBlockCodec CreateSectionCodec() => Kind switch
    {
        CodecKind.None => StoredCodec.Instance,
        CodecKind.Zstd => ZstdCodec.ForSections(Level),
        CodecKind.Lz4 => Lz4Codec.Instance,
        _ => throw new InvalidOperationException($"codec {Kind}"),
    };

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        CodecKind.Zstd => string.Create(CultureInfo.InvariantCulture, $"zstd:{Level}"),
        CodecKind.Lz4 => "lz4",
        _ => "none",
    };

    private static SnapshotException Wrong(string message) =>
        new(ErrorCode.Usage, message, "write zstd, zstd:LEVEL, lz4 or none") { IsPreflight = true };
}
