using System.Buffers.Binary;
using Cutpoint.Compression;
using Cutpoint.Formats;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Makes sections of page chunks and of device state: one compression, then SHA-256 and XXH3 of the result.
/// Safe for concurrent use; a call works on the caller's thread and allocates a small object per section, nothing per page.
/// </summary>
public sealed class SectionEncoder : IDisposable
{
    private readonly CodecKind _kind;
    private readonly IBlockCodec _codec;
    private readonly Func<Digest, SectionRef?>? _known;
    private readonly SectionIdentity _identity;
    private readonly NativeBufferPool _buffers;

    /// <summary>Creates an encoder.</summary>
    /// <param name="codec">How payloads are compressed.</param>
    /// <param name="known">Says where a section of that identity is stored already, or null; called concurrently.</param>
    /// <param name="retained">How many idle buffers of 4 MiB are kept.</param>
    /// <param name="identity">How the repository identifies sections; null as one in the clear does.</param>
    public SectionEncoder(Codec codec, Func<Digest, SectionRef?>? known = null, int retained = 8, SectionIdentity? identity = null)
    {
        _identity = identity ?? SectionIdentity.Plain;
        _kind = codec.Kind;
        _codec = codec.CreateSectionCodec();
        _known = known;
        _buffers = new NativeBufferPool(SectionHead.MaxSectionLength, retained);
    }

    /// <summary>
    /// Encodes the pages of a chunk. Takes the chunk over and gives its buffer back to its pool before it returns, also when it throws. The
    /// hashes of the chunk must be there.
    /// </summary>
    public EncodedSection Encode(PageChunk chunk)
    {
        ArgumentNullException.ThrowIfNull(chunk);
        using (chunk)
        {
            if (chunk.PageCount == 0) return new EncodedSection(SectionKind.Pages, default, 0, chunk.Block, chunk.Extents);
            Span<byte> masks = stackalloc byte[SectionHead.MaxMasksLength];
            var used = 0;
            foreach (var extent in chunk.Extents)
            {
                if (extent.Present == 0) continue;
                BinaryPrimitives.WriteUInt64BigEndian(masks[used..], extent.Present);
                used += sizeof(ulong);
            }
            return Encode(SectionKind.Pages, masks[..used], chunk.Pages, chunk.Hashes, chunk.Block, chunk.Extents);
        }
    }

    /// <summary>Encodes octets that only their unit understands.</summary>
    /// <param name="state">1 to 4 Mi octets.</param>
    public EncodedSection Encode(ReadOnlySpan<byte> state)
    {
        ArgumentOutOfRangeException.ThrowIfZero(state.Length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(state.Length, Paging.SectionSize);
        return Encode(SectionKind.State, [], state, [], 0, []);
    }

    /// <summary>Takes in a section of pages that another node has encoded, unless equal content is stored already.</summary>
    /// <param name="block">Number of the RAM block.</param>
    /// <param name="extents">The extents of the chunk it was made from.</param>
    /// <param name="value">The section's value; empty when all pages are zero.</param>
    /// <exception cref="SnapshotException">The value does not hold, or has other pages (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    public EncodedSection Receive(int block, ReadOnlySpan<ExtentPages> extents, ReadOnlySpan<byte> value)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(value.Length, SectionHead.MaxSectionLength);
        var ordinal = 0;
        if (value.IsEmpty)
        {
            foreach (var extent in extents) ordinal += extent.PresentCount;
            return ordinal == 0 ? new EncodedSection(SectionKind.Pages, default, 0, block, extents) : throw PackFormat.Damaged(0, "the section has no pages");
        }
        var head = SectionHead.Read(value, value.Length, 0);
        if (head.Kind != SectionKind.Pages || head.IsKnownByContent || head.PayloadHash != Xxh3.Hash(value[head.Payload]))
            throw PackFormat.Damaged(0, "the section's payload does not hold");
        // Other guests will be given what is stored under this identity.
        if (head.IdentityOf(_identity, value, []) != head.Identity) throw PackFormat.Damaged(0, "the section is not what its identity says");
        foreach (var extent in extents)
        {
            if (extent.Present == 0) continue;
            if (ordinal == head.MaskCount || head.Mask(ordinal++) != extent.Present) throw PackFormat.Damaged(0, "the section has other pages");
        }
        if (ordinal != head.MaskCount) throw PackFormat.Damaged(0, "the section has other pages");
        if (_known?.Invoke(head.Identity) is { } existing)
            return new EncodedSection(SectionKind.Pages, head.Identity, head.RawLength, block, extents) { Existing = existing };
        var buffer = _buffers.Rent();
        value.CopyTo(buffer.Span);
        return new EncodedSection(SectionKind.Pages, head.Identity, head.RawLength, block, extents, buffer, 0, value.Length);
    }

    /// <summary>Frees idle buffers; those that are out are freed when they come back.</summary>
    public void Dispose() => _buffers.Dispose();

    private EncodedSection Encode(
        SectionKind kind, ReadOnlySpan<byte> masks, ReadOnlySpan<byte> content, ReadOnlySpan<UInt128> hashes, int block, ReadOnlySpan<ExtentPages> extents)
    {
        var buffer = _buffers.Rent();
        try
        {
            var codec = _kind;
            var room = buffer.Span;
            if (!_codec.TryCompress(content, room.Slice(SectionHead.MaxLength, content.Length), out var length) || length >= content.Length)
            {
                codec = CodecKind.None;
                length = content.Length;
                content.CopyTo(room[SectionHead.MaxLength..]);
            }
            var identity = SectionHead.IdentityOf(_identity, kind, codec, content.Length, masks, room.Slice(SectionHead.MaxLength, length));
            if (_known?.Invoke(identity) is { } existing)
            {
                buffer.Dispose();
                return new EncodedSection(kind, identity, content.Length, block, extents) { Existing = existing };
            }
            var writer = new BackwardWriter(room[..(SectionHead.MaxLength + length)]);
            writer.Contents(length);
            SectionHead.Write(ref writer, kind, codec, content.Length, identity, masks, hashes);
            return new EncodedSection(kind, identity, content.Length, block, extents, buffer, writer.Start, writer.Written.Length);
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }
}
