namespace Cutpoint.Formats.Ssm;

/// <summary>
/// Cuts the data of units into records as VirtualBox does: saved state format, section D.4. Small items gather in a block and are never split; larger ones go
/// out in blocks of 4 KiB, zero, compressed or as they are.
/// </summary>
internal sealed class RecordWriter(SavedStateOutputBuffer output)
{
    /// <summary>The most octets one call of <see cref="PutBlock"/> or <see cref="Flush"/> appends.</summary>
    public const int MaxAppended = BlockSize + RecordHeader.MaxSize;

    private const int BlockSize = SavedStateHeader.BlockSize;
    private const int MaxSmallItem = BlockSize / 8;

    private readonly byte[] _block = new byte[BlockSize];
    private int _gathered;

    /// <summary>Octets of data in the records so far.</summary>
    public long DataOctets { get; set; }

    /// <summary>True for an item that gathers with others.</summary>
    public static bool IsSmall(int length) => length <= MaxSmallItem;

    /// <summary>Takes a small item in. Appends at most one record.</summary>
    public void PutSmall(ReadOnlySpan<byte> item)
    {
        if (item.Length > BlockSize - _gathered) Flush();
        item.CopyTo(_block.AsSpan(_gathered));
        _gathered += item.Length;
    }

    /// <summary>Appends the next record of a large item and says how much of it that was. The gathered items must be flushed.</summary>
    public int PutBlock(ReadOnlySpan<byte> item)
    {
        if (item.Length < BlockSize)
        {
            PutRaw(item);
            return item.Length;
        }
        output.Append(SavedStateBlocks.EncodeBlock(item[..BlockSize], output.Free(SavedStateBlocks.MaxRecord)));
        DataOctets += BlockSize;
        return BlockSize;
    }

    /// <summary>Appends the gathered items.</summary>
    public void Flush()
    {
        if (_gathered == 0) return;
        PutRaw(_block.AsSpan(0, _gathered));
        _gathered = 0;
    }

    private void PutRaw(ReadOnlySpan<byte> data)
    {
        var record = output.Free(RecordHeader.MaxSize + data.Length);
        var header = RecordHeader.Write(record, RecordType.Raw, data.Length);
        data.CopyTo(record[header..]);
        output.Append(header + data.Length);
        DataOctets += data.Length;
    }
}
