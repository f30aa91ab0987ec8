namespace Cutpoint.Formats.Ssm;

/// <summary>
/// A stream as the format's own interface describes one: a table of methods between two version words. Saved state contract, section F.1.
/// <see cref="ToStream"/> makes a stream of it that the reader and the writer take.
/// </summary>
public sealed record SavedStateStreamMethods
{
    /// <summary>The version of the table, at its beginning and its end.</summary>
    public const uint CurrentVersion = 0x55AA0001;

    /// <summary>The version word at the beginning.</summary>
    public uint Version { get; init; } = CurrentVersion;

    /// <summary>Writes all octets at an offset, which is always where the write before ended.</summary>
    public SavedStateStreamWrite? Write { get; init; }

    /// <summary>Reads up to as many octets as fit at an offset; 0 at the end.</summary>
    public SavedStateStreamRead? Read { get; init; }

    /// <summary>Goes to an offset and tells it; throws <see cref="NotSupportedException"/> where that is impossible.</summary>
    public Func<long, SeekOrigin, long>? Seek { get; init; }

    /// <summary>Where the stream is.</summary>
    public Func<long>? Tell { get; init; }

    /// <summary>Its length; throws <see cref="NotSupportedException"/> where nobody knows.</summary>
    public Func<long>? Size { get; init; }

    /// <summary>Throws when the stream is of no more use. Asked between passes and before every write; may be left out.</summary>
    public Action? Check { get; init; }

    /// <summary>Closes the stream; true when it was cancelled.</summary>
    public Action<bool>? Close { get; init; }

    /// <summary>The version word at the end.</summary>
    public uint EndVersion { get; init; } = CurrentVersion;

    /// <summary>A stream that calls the methods. Disposing it closes them.</summary>
    /// <exception cref="SavedStateException">A version word is wrong (<see cref="SavedStateStatus.InvalidMagic"/>), or a method is missing
    /// (<see cref="SavedStateStatus.InvalidParameter"/>).</exception>
    public SavedStateMethodStream ToStream()
    {
        if (Version != CurrentVersion || EndVersion != CurrentVersion)
            throw new SavedStateException(SavedStateStatus.InvalidMagic, 0, $"a table of stream methods of versions {Version:x8} and {EndVersion:x8}");
        if (Write is null || Read is null || Seek is null || Tell is null || Size is null || Close is null)
            throw new SavedStateException(SavedStateStatus.InvalidParameter, 0, "a stream method is missing");
        return new SavedStateMethodStream(this);
    }
}

/// <summary>Writes octets at an offset.</summary>
public delegate void SavedStateStreamWrite(long offset, ReadOnlySpan<byte> octets);

/// <summary>Reads octets at an offset and says how many.</summary>
public delegate int SavedStateStreamRead(long offset, Span<byte> octets);
