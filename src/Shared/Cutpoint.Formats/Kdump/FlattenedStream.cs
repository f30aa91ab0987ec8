using System.Buffers.Binary;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Formats.Kdump;

/// <summary>
/// A flattened file as the file it stands for: seekable and read-only. Where records overlap, the later one counts; what no record covers is zero. Held in
/// memory: 24 octets for each record. One call at a time.
/// </summary>
public sealed class FlattenedStream : Stream
{
    /// <summary>The most records that are read. QEMU's have 16 KiB, so that they are those of a file of 256 GiB.</summary>
    public const int MaxRecords = 1 << 24;

    /// <summary>Gaps are a few blocks; a file that is more gap than octets is made to keep readers busy.</summary>
    private const long MaxGap = 1 << 20;

    private readonly Stream _input;
    private readonly Extent[] _extents;
    private long _position;

    private FlattenedStream(Stream input, Extent[] extents)
    {
        _input = input;
        _extents = extents;
        Length = extents.Length == 0 ? 0 : extents[^1].End;
    }

    /// <inheritdoc/>
    public override bool CanRead => true;

    /// <inheritdoc/>
    public override bool CanSeek => true;

    /// <inheritdoc/>
    public override bool CanWrite => false;

    /// <inheritdoc/>
    public override long Length { get; }

    /// <inheritdoc/>
    public override long Position
    {
        get => _position;
        set
        {
            ArgumentOutOfRangeException.ThrowIfNegative(value);
            _position = value;
        }
    }

    /// <summary>Reads the places of all records.</summary>
    /// <param name="input">The flattened file; seekable, not closed.</param>
    /// <param name="cancellation">Cancels between two records.</param>
    /// <exception cref="MalformedInputException">It is damaged or cut short.</exception>
    public static async Task<FlattenedStream> OpenAsync(Stream input, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(input);
        var file = new DumpInput(input);
        var header = new byte[32];
        if (!await file.TryReadAsync(0, header, cancellation).ConfigureAwait(false)) throw KdumpError.Truncated(file.Length, "the header of a flattened file");
        if (!FlattenedOutput.Matches(header)) throw KdumpError.Create(0, "no flattened file", "name a flattened kdump file");
        if (BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(16)) != FlattenedOutput.Kind)
            throw KdumpError.Create(16, "the type of the flattened file is not known");
        if (BinaryPrimitives.ReadUInt64BigEndian(header.AsSpan(24)) != FlattenedOutput.Version)
            throw KdumpError.Create(24, "the version of the flattened file is not known");
        List<Extent> records = [];
        var record = new byte[FlattenedOutput.RecordHeaderLength];
        for (long at = FlattenedOutput.HeaderLength; ;)
        {
            if (!await file.TryReadAsync(at, record, cancellation).ConfigureAwait(false)) throw KdumpError.Truncated(file.Length, "the records of a flattened file");
            var (place, length) = (BinaryPrimitives.ReadInt64BigEndian(record), BinaryPrimitives.ReadInt64BigEndian(record.AsSpan(8)));
            if (place == -1 && length == -1) break;
            if (place < 0 || length <= 0 || place > long.MaxValue - length) throw KdumpError.Create(at, $"a record of {length} octets for place {place}");
            if (place + length > (2 * file.Length) + MaxGap)
                throw KdumpError.Create(at, $"a record for place {place} of a file that has {file.Length} octets in all");
            at += record.Length;
            if (length > file.Length - at) throw KdumpError.Truncated(file.Length, $"a record of {length} octets");
            if (records.Count == MaxRecords)
                throw KdumpError.Create(at - record.Length, $"more than {MaxRecords} records", "reassemble the file first: makedumpfile -R FILE < FLATTENED");
            records.Add(new Extent(place, length, at));
            at += length;
        }
        return new FlattenedStream(input, Resolve(records));
    }

    /// <summary>An error in the file this one stands for, with its offset in this one.</summary>
    internal MalformedInputException Relocate(MalformedInputException error)
    {
        var extent = Array.FindLast(_extents, extent => extent.Start <= error.Offset);
        // What is behind the last record is missing behind the end of this file.
        return KdumpError.Create(
            Math.Min(extent.File + Math.Min(error.Offset - extent.Start, extent.Length), _input.Length), error.Reason, error.Advice, error.InnerException);
    }

    /// <inheritdoc/>
    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        var (extent, count) = Find(buffer.Length);
        if (count == 0) return 0;
        if (extent < 0)
        {
            buffer.Span[..count].Clear();
        }
        else
        {
            Seek(extent);
            count = await _input.ReadAsync(buffer[..count], cancellationToken).ConfigureAwait(false);
        }
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <inheritdoc/>
    public override int Read(Span<byte> buffer)
    {
        var (extent, count) = Find(buffer.Length);
        if (count == 0) return 0;
        if (extent < 0)
        {
            buffer[..count].Clear();
        }
        else
        {
            Seek(extent);
            count = _input.Read(buffer[..count]);
        }
        _position += count;
        return count;
    }

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => Position = origin switch
    {
        SeekOrigin.Begin => offset,
        SeekOrigin.Current => _position + offset,
        _ => Length + offset,
    };

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <summary>The extent the position is in, or -1 in a gap, and how many of some octets are of it.</summary>
    private (int Extent, int Count) Find(int wanted)
    {
        if (_position >= Length) return (-1, 0);
        // The last extent that begins at or before the position.
        int low = 0, high = _extents.Length;
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (_extents[middle].Start <= _position) low = middle + 1;
            else high = middle;
        }
        if (low > 0 && _position < _extents[low - 1].End) return (low - 1, (int)Math.Min(wanted, _extents[low - 1].End - _position));
        return (-1, (int)Math.Min(wanted, _extents[low].Start - _position));
    }

    private void Seek(int extent)
    {
        var at = _extents[extent].File + (_position - _extents[extent].Start);
        if (_input.Position != at) _input.Position = at;
    }

    /// <summary>The records by place without overlap: of those that overlap, the later one is seen.</summary>
    private static Extent[] Resolve(List<Extent> records)
    {
        // Later records lie behind earlier ones in the file, so the place there tells the age.
        records.Sort((a, b) => (a.Start, a.File).CompareTo((b.Start, b.File)));
        List<Extent> seen = new(records.Count);
        var open = new PriorityQueue<Extent, long>();
        long at = 0;
        for (var next = 0; ;)
        {
            while (open.Count > 0 && open.Peek().End <= at) open.Dequeue();
            if (open.Count == 0)
            {
                if (next == records.Count) break;
                at = Math.Max(at, records[next].Start);
            }
            while (next < records.Count && records[next].Start <= at)
            {
                if (records[next].End > at) open.Enqueue(records[next], -records[next].File);
                next++;
            }
            if (open.Count == 0) continue;
            var top = open.Peek();
            var end = next < records.Count ? Math.Min(top.End, records[next].Start) : top.End;
            Add(seen, new Extent(at, end - at, top.File + (at - top.Start)));
            at = end;
        }
        return [.. seen];
    }

    private static void Add(List<Extent> extents, Extent extent)
    {
        if (extents.Count > 0 && extents[^1] is var last && last.End == extent.Start && last.File + last.Length == extent.File)
            extents[^1] = last with { Length = last.Length + extent.Length };
        else
            extents.Add(extent);
    }

    private readonly record struct Extent(long Start, long Length, long File)
    {
        public long End => Start + Length;
    }
}
