using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// A section on its way into a pack: the whole BER value in a pooled native buffer, or only the place of an equal section that is stored
/// already. Has one owner; <see cref="CheckpointWriter"/> takes it over, everybody else disposes it. Not safe for concurrent use.
/// </summary>
public sealed class EncodedSection : IDisposable
{
    private readonly ExtentPages[] _extents;
    private readonly int _start;
    private NativeBuffer? _buffer;

    internal EncodedSection(SectionKind kind, Digest identity, int rawLength, int block, ReadOnlySpan<ExtentPages> extents)
    {
        Kind = kind;
        Identity = identity;
        RawLength = rawLength;
        Block = block;
        _extents = extents.ToArray();
    }

    internal EncodedSection(
        SectionKind kind, Digest identity, int rawLength, int block, ReadOnlySpan<ExtentPages> extents, NativeBuffer buffer, int start,
        int length)
        : this(kind, identity, rawLength, block, extents)
    {
        _buffer = buffer;
        _start = start;
        Length = length;
    }

    /// <summary>What the section holds.</summary>
    public SectionKind Kind { get; }

    /// <summary>What it is known by: digest of kind, codec, masks and payload, and of nothing that says where it belongs.</summary>
    public Digest Identity { get; }

    /// <summary>Octets of the content; 0 when the chunk had only zero pages and nothing is to be stored.</summary>
    public int RawLength { get; }

    /// <summary>Octets of the value; 0 when nothing is to be stored.</summary>
    public int Length { get; }

    /// <summary>Number of the RAM block the pages are of.</summary>
    public int Block { get; }

    /// <summary>The extents of the chunk it was made from, zero pages included.</summary>
    public ReadOnlySpan<ExtentPages> Extents => _extents;

    /// <summary>Where an equal section is stored already, or null.</summary>
    public SectionRef? Existing { get; internal init; }

    /// <summary>The value.</summary>
    public ReadOnlySpan<byte> Value => _buffer is null ? [] : _buffer.Span.Slice(_start, Length);

    /// <summary>Gives the buffer back.</summary>
    public void Dispose()
    {
        _buffer?.Dispose();
        _buffer = null;
    }
}
