using Cutpoint.Compression;
using Cutpoint.Formats;

namespace Cutpoint.Repository;

/// <summary>
/// Reads sections out of packs. What it hands out is what was stored: the head's digest, the payload's hash and the identity the manifest
/// names are checked on every read. Safe for concurrent use.
/// </summary>
internal sealed class SectionReader(PackFiles packs) : IDisposable
{
    private const int RetainedBuffers = 4;

    private readonly NativeBufferPool _values = new(PackFile.SectionBufferLength, RetainedBuffers);

    /// <summary>Reads and decompresses a section.</summary>
    /// <param name="section">Where it is.</param>
    /// <param name="kind">What it must hold.</param>
    /// <param name="destination">Takes the content; 4 MiB always suffice.</param>
    public SectionHead Read(SectionRef section, SectionKind kind, Span<byte> destination)
    {
        using var buffer = _values.Rent();
        var file = packs.Rent(section.Pack, out var isKept);
        try
        {
            var head = file.ReadSection(section, buffer.Span, out var value);
            if (head.Kind != kind) throw PackFormat.Damaged(section.Offset, $"the section holds {head.Kind}, not {kind}");
            Decode(head, value, section.Offset, destination[..head.RawLength]);
            return head;
        }
        catch (MalformedInputException error)
        {
            throw StorageError.InPack(error, section.Pack);
        }
        finally
        {
            if (!isKept) file.Dispose();
        }
    }

    /// <summary>Reads the head of a section, without its payload.</summary>
    /// <param name="section">Where it is.</param>
    /// <param name="destination">At least <see cref="PackFile.HeadBufferLength"/> octets; the head is at its start.</param>
    public SectionHead ReadHead(SectionRef section, Span<byte> destination)
    {
        var file = packs.Rent(section.Pack, out var isKept);
        try
        {
            return file.ReadSectionHead(section, destination);
        }
        catch (MalformedInputException error)
        {
            throw StorageError.InPack(error, section.Pack);
        }
        finally
        {
            if (!isKept) file.Dispose();
        }
    }

    /// <summary>Checks the hash of a payload and decompresses it.</summary>
    public static void Decode(in SectionHead head, ReadOnlySpan<byte> value, long offset, Span<byte> content)
    {
        var payload = value[head.Payload];
        if (Xxh3.Hash(payload) != head.PayloadHash) throw PackFormat.Damaged(offset, "the hash of the section's payload does not hold");
        try
        {
            Codecs[(int)head.Codec].Decompress(payload, content);
        }
        catch (MalformedInputException error)
        {
            throw PackFormat.Damaged(offset, $"the section's payload is damaged: {error.Reason}");
        }
    }

    public void Dispose() => _values.Dispose();

    private static readonly IBlockCodec[] Codecs =
    [
        new Codec(CodecKind.None, 0).CreateSectionCodec(),
        Codec.Default.CreateSectionCodec(),
        new Codec(CodecKind.Lz4, 0).CreateSectionCodec(),
    ];
}
