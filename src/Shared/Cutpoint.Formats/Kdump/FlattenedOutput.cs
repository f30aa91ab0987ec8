using System.Buffers;
using System.Buffers.Binary;

namespace Cutpoint.Formats.Kdump;

/// <summary>
/// The form of a file that a pipe can carry: what would be written at places comes as records that name the place. Numbers are big-endian always.
/// <code>
/// "makedumpfile" in 16 octets, type u64 1, version u64 1, zeros up to 4096 | place u64, length u64, octets … | 16 octets ff
/// </code>
/// </summary>
/// <param name="output">Takes it; the caller flushes between two writes.</param>
public sealed class FlattenedOutput(IBufferWriter<byte> output) : IPlacedOutput
{
    internal const int HeaderLength = 4096;
    internal const int RecordHeaderLength = 16;
    internal const int SignatureLength = 16;
    internal const ulong Kind = 1, Version = 1;

    internal static ReadOnlySpan<byte> Signature => "makedumpfile\0\0\0\0"u8;

    /// <summary>Recognises the form by the first octets of a file.</summary>
    public static bool Matches(ReadOnlySpan<byte> head) => head.StartsWith(Signature);

    /// <summary>Writes the beginning.</summary>
    public void Begin()
    {
        Span<byte> header = stackalloc byte[HeaderLength];
        header.Clear();
        Signature.CopyTo(header);
        BinaryPrimitives.WriteUInt64BigEndian(header[16..], Kind);
        BinaryPrimitives.WriteUInt64BigEndian(header[24..], Version);
        output.Write(header);
    }

    /// <inheritdoc/>
    public void Write(long position, ReadOnlySpan<byte> octets)
    {
        if (octets.IsEmpty) return;
        Span<byte> header = stackalloc byte[RecordHeaderLength];
        BinaryPrimitives.WriteInt64BigEndian(header, position);
        BinaryPrimitives.WriteInt64BigEndian(header[8..], octets.Length);
        output.Write(header);
        output.Write(octets);
    }

    /// <summary>Writes the end mark, without which readers take the file for cut short.</summary>
    public void Complete()
    {
        Span<byte> end = stackalloc byte[RecordHeaderLength];
        end.Fill(0xff);
        output.Write(end);
    }
}
