namespace Cutpoint.Formats.Ssm;

/// <summary>
/// The records of whole blocks of 4 KiB, as every writer of the format cuts them: zero, compressed, or as they are. Pure, so that blocks can be encoded
/// side by side and handed to <see cref="SavedStateWriter.WriteEncoded"/> in order; the octets are those <see cref="SavedStateWriter.Write"/> makes itself.
/// </summary>
public static class SavedStateBlocks
{
    /// <summary>Octets of a block.</summary>
    public const int Size = SavedStateHeader.BlockSize;

    /// <summary>The most octets a block becomes.</summary>
    public const int MaxRecord = Size + RecordHeader.MaxSize;

    /// <summary>What a compressed block must not exceed: it has to save a sixteenth.</summary>
    private const int MaxCompressed = Size - 256;

    private const byte SizeInKilobytes = Size / 1024;

    /// <summary>Encodes blocks.</summary>
    /// <param name="blocks">A multiple of <see cref="Size"/>.</param>
    /// <param name="records">Takes the records; <see cref="MaxRecord"/> for each block always suffice.</param>
    /// <returns>Octets of the records.</returns>
    public static int Encode(ReadOnlySpan<byte> blocks, Span<byte> records)
    {
        if (blocks.Length % Size != 0) throw new ArgumentException($"{blocks.Length} octets are no whole blocks", nameof(blocks));
        var end = 0;
        for (; !blocks.IsEmpty; blocks = blocks[Size..]) end += EncodeBlock(blocks[..Size], records[end..]);
        return end;
    }

    /// <summary>The record of a block of zeros.</summary>
    /// <param name="record">Takes it.</param>
    /// <returns>Octets of the record.</returns>
    public static int EncodeZeros(Span<byte> record)
    {
        var header = RecordHeader.Write(record, RecordType.Zero, 1);
        record[header] = SizeInKilobytes;
        return header + 1;
    }

    internal static int EncodeBlock(ReadOnlySpan<byte> block, Span<byte> record)
    {
        if (!block.ContainsAnyExcept((byte)0)) return EncodeZeros(record);
        // The length stands before it is known, so it always takes its longest form here.
        const int Prefix = 5;
        var size = Lzf.Compress(block, record.Slice(Prefix, MaxCompressed));
        if (size > 0)
        {
            RecordHeader.WriteLong(record, RecordType.Compressed, size + 1);
            record[Prefix - 1] = SizeInKilobytes;
            return Prefix + size;
        }
        var header = RecordHeader.Write(record, RecordType.Raw, Size);
        block.CopyTo(record[header..]);
        return header + Size;
    }
}
