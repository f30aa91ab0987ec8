using System.Buffers;

namespace Cutpoint.Formats.Qemu;

/// <content>Parsing from a <see cref="Stream"/>.</content>
public sealed partial class QemuStreamParser
{
    private const int ReadLength = 1 << 20;

    /// <summary>Parses a whole stream. A mapped-ram file must be seekable; everything else may be a pipe or a socket.</summary>
    /// <param name="input">Read from its present position to its end; not closed.</param>
    /// <param name="visitor">Receives the memory.</param>
    /// <param name="options">See <see cref="QemuStreamOptions"/>.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    /// <exception cref="MalformedInputException">The stream is damaged or cut short.</exception>
    /// <exception cref="SnapshotException">The stream uses something that cannot be captured
    /// (<see cref="ErrorCode.Incompatible"/>).</exception>
    public static async Task<QemuDevicePart> ParseAsync(
        Stream input, IQemuStreamVisitor visitor, QemuStreamOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        var parser = new QemuStreamParser(visitor, options) { _canSeek = input.CanSeek };
        var origin = input.CanSeek ? input.Position : 0;
        var buffer = ArrayPool<byte>.Shared.Rent(ReadLength);
        try
        {
            while (await input.ReadAsync(buffer, cancellation).ConfigureAwait(false) is > 0 and var length)
            {
                for (var at = 0; at < length;)
                {
                    at += parser.Consume(buffer.AsSpan(at..length));
                    if (visitor.IsFull) await visitor.DrainAsync(cancellation).ConfigureAwait(false);
                    if (!parser.HasMappedPages) continue;
                    // The pages lie behind; the stream goes on behind the last of them, where the rest of the buffer stands.
                    var position = input.Position;
                    await parser.ReadMappedPagesAsync(input, origin, cancellation).ConfigureAwait(false);
                    input.Position = position;
                }

                if (parser is { _state: State.MappedPages, _skip: > 0 }) parser.SeekOver(input);
            }

            return parser.Complete();
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private void SeekOver(Stream input)
    {
        // Not beyond the end: that is where a file cut short is said to end.
        var count = Math.Min(_skip, input.Length - input.Position);
        input.Seek(count, SeekOrigin.Current);
        PassOver(count);
        _recordStart += count;
    }

    private async Task ReadMappedPagesAsync(Stream input, long origin, CancellationToken cancellation)
    {
        HasMappedPages = false;
        var buffer = ArrayPool<byte>.Shared.Rent(ReadLength);
        try
        {
            for (var block = 0; block < _blocks.Count; block++)
            {
                var pageCount = _blocks[block].Length / _pageSize;
                for (var page = 0L; page < pageCount;)
                {
                    var run = MappedRun(block, page, pageCount, ReadLength / _pageSize, out var present);
                    var pages = buffer.AsMemory(0, run * _pageSize);
                    if (present) await ReadRunAsync(input, origin, block, page, pages, cancellation).ConfigureAwait(false);
                    for (var i = 0; i < run; i++)
                    {
                        if (present) _visitor.OnPage(block, (page + i) * _pageSize, buffer.AsSpan(i * _pageSize, _pageSize));
                        else _visitor.OnZeroPage(block, (page + i) * _pageSize);
                        if (_visitor.IsFull) await _visitor.DrainAsync(cancellation).ConfigureAwait(false);
                    }

                    page += run;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        _mappedBitmaps.Clear();
    }

    private async Task ReadRunAsync(Stream input, long origin, int block, long page, Memory<byte> pages, CancellationToken cancellation)
    {
        input.Position = origin + _blocks[block].PagesOffset!.Value + page * _pageSize;
        if (await input.ReadAtLeastAsync(pages, pages.Length, throwOnEndOfStream: false, cancellation).ConfigureAwait(false) < pages.Length)
            throw Malformed($"the file ends within the pages of block '{_blocks[block].Name}'");
    }

    // How many pages from here on are alike, and whether they are in the file.
    private int MappedRun(int block, long page, long pageCount, int most, out bool present)
    {
        var bits = _mappedBitmaps[block].Octets.Span;
        present = IsMapped(bits, page);
        var run = 1;
        while (run < most && page + run < pageCount && IsMapped(bits, page + run) == present) run++;
        return run;
    }

    // Words of 64 bits in the order of the host that wrote them; every host that runs an x86 guest of note is little-endian.
    private static bool IsMapped(ReadOnlySpan<byte> bits, long page) => (bits[(int)(page >> 3)] >> (int)(page & 7) & 1) != 0;
}
