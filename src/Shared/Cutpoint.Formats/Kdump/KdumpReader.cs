using System.Numerics;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Formats.Kdump;

/// <summary>Reads a kdump file of either class and order of octets, plain or flattened. One call at a time.</summary>
public sealed class KdumpReader
{
    /// <summary>The most octets of notes.</summary>
    public const int MaxNotesLength = ElfCoreReader.MaxNotesLength;

    private const int BitmapPiece = 64 << 10;
    private const int PagesWindow = 256 << 10;

    private readonly Stream _input;
    private readonly long _bitmap;
    private readonly long _descriptors;

    private KdumpReader(Stream input, KdumpHeader header, IReadOnlyList<ElfNote> notes)
    {
        _input = input;
        Header = header;
        Notes = notes;
        var start = (1L + header.SubHeaderBlocks) * header.BlockSize;
        var needed = BitmapBlocks(header);
        // Readers use the second of two bitmaps. A file with fewer blocks than two need has but one.
        _bitmap = start + (header.BitmapBlocks >= 2 * needed ? header.BitmapBlocks / 2 * header.BlockSize : 0);
        _descriptors = start + ((long)header.BitmapBlocks * header.BlockSize);
    }

    /// <summary>What the headers say.</summary>
    public KdumpHeader Header { get; }

    /// <summary>The notes.</summary>
    public IReadOnlyList<ElfNote> Notes { get; }

    /// <summary>True for a flattened file.</summary>
    public bool IsFlattened => _input is FlattenedStream;

    /// <summary>Opens a file.</summary>
    /// <param name="input">The file; seekable, not closed.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    /// <exception cref="MalformedInputException">It is damaged or cut short.</exception>
    public static async Task<KdumpReader> OpenAsync(Stream input, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(input);
        var head = new byte[FlattenedOutput.SignatureLength];
        var isFlattened = await new DumpInput(input).TryReadAsync(0, head, cancellation).ConfigureAwait(false) && FlattenedOutput.Matches(head);
        if (!isFlattened) return await OpenPlainAsync(input, cancellation).ConfigureAwait(false);
        var flattened = await FlattenedStream.OpenAsync(input, cancellation).ConfigureAwait(false);
        try
        {
            return await OpenPlainAsync(flattened, cancellation).ConfigureAwait(false);
        }
        catch (MalformedInputException e)
        {
            throw flattened.Relocate(e);
        }
    }

    /// <summary>Reads every page in the file, in order of frames.</summary>
    /// <param name="codecs">Gives the codec of a method.</param>
    /// <param name="handler">Takes the pages.</param>
    /// <param name="cancellation">Cancels between two pages.</param>
    /// <exception cref="MalformedInputException">A page is damaged, or the file ends before its last page.</exception>
    public async Task ReadPagesAsync(Func<KdumpCompression, IBlockCodec> codecs, KdumpPageHandler handler, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(codecs);
        ArgumentNullException.ThrowIfNull(handler);
        try
        {
            await ReadAllPagesAsync(codecs, handler, cancellation).ConfigureAwait(false);
        }
        catch (MalformedInputException e) when (_input is FlattenedStream flattened)
        {
            throw flattened.Relocate(e);
        }
    }

    private static async Task<KdumpReader> OpenPlainAsync(Stream input, CancellationToken cancellation)
    {
        var file = new DumpInput(input);
        var octets = new byte[KdumpHeader.MaxLength];
        await ReadAsync(file, 0, octets, "the header", cancellation).ConfigureAwait(false);
        var header = KdumpHeader.ReadHeader(octets);
        await ReadAsync(file, header.BlockSize, octets.AsMemory(0, KdumpHeader.Lengths(header.Target.Is64Bit).SubHeader), "the sub header", cancellation)
            .ConfigureAwait(false);
        header = header.ReadSubHeader(octets);
        Check(header, file);
        var notes = new byte[header.NotesLength];
        await ReadAsync(file, header.NotesOffset, notes, "the notes", cancellation).ConfigureAwait(false);
        return new KdumpReader(input, header, ElfNotes.Read(notes, header.Target.IsBigEndian, header.NotesOffset));
    }

    private async Task ReadAllPagesAsync(Func<KdumpCompression, IBlockCodec> codecs, KdumpPageHandler handler, CancellationToken cancellation)
    {
        var (bitmaps, descriptors) = (new DumpInput(_input), new DumpInput(_input));
        var pages = new PageSource(new DumpInput(_input, PagesWindow), Header, codecs);
        var descriptor = new byte[KdumpLayout.DescriptorLength];
        var piece = new byte[BitmapPiece];
        var at = _descriptors;
        for (ulong frame = 0; frame < Header.FrameCount; frame += BitmapPiece * 8)
        {
            var octets = piece.AsMemory(0, (int)Math.Min(BitmapPiece, (Header.FrameCount - frame + 7) / 8));
            await ReadAsync(bitmaps, _bitmap + (long)(frame / 8), octets, "the bitmap", cancellation).ConfigureAwait(false);
            for (var index = NextSet(octets.Span, 0); index >= 0; index = NextSet(octets.Span, index + 1))
            {
                if (frame + (ulong)index >= Header.FrameCount) break;
                await ReadAsync(descriptors, at, descriptor, "the page descriptors", cancellation).ConfigureAwait(false);
                handler(frame + (ulong)index, (await pages.ReadAsync(descriptor, at, cancellation).ConfigureAwait(false)).Span);
                at += descriptor.Length;
            }
        }
    }

    private static void Check(KdumpHeader header, DumpInput file)
    {
        var (notesField, framesField) = header.Target.Is64Bit ? (48, 96) : (32, 72);
        if (header.NotesLength is < 0 or > MaxNotesLength)
            throw KdumpError.Create(header.BlockSize + notesField, $"{header.NotesLength} octets of notes; {MaxNotesLength} are the most that are read");
        if (header.NotesOffset < 0 || header.NotesOffset > file.Length || header.NotesLength > file.Length - header.NotesOffset)
            throw KdumpError.Truncated(header.BlockSize + notesField, $"{header.NotesLength} octets of notes at {(ulong)header.NotesOffset}");
        // One octet of the bitmap stands for eight frames.
        if (header.FrameCount / 8 > (ulong)file.Length)
            throw KdumpError.Create(header.BlockSize + framesField, $"{header.FrameCount} frames in a file of {file.Length} octets");
        if (header.BitmapBlocks < BitmapBlocks(header))
            throw KdumpError.Create(header.BlockSize + framesField, $"a bitmap of {header.BitmapBlocks} blocks is too short for {header.FrameCount} frames");
    }

    private static long BitmapBlocks(KdumpHeader header) =>
        ((long)((header.FrameCount + 7) / 8) + header.BlockSize - 1) / header.BlockSize;

    /// <summary>Number of the first set bit from an index on, or -1.</summary>
    private static int NextSet(ReadOnlySpan<byte> bitmap, int index)
    {
        var octet = index / 8;
        if (octet >= bitmap.Length) return -1;
        var rest = bitmap[octet] >> (index % 8);
        if (rest != 0) return index + BitOperations.TrailingZeroCount(rest);
        var next = bitmap[(octet + 1)..].IndexOfAnyExcept((byte)0);
        return next < 0 ? -1 : ((octet + 1 + next) * 8) + BitOperations.TrailingZeroCount(bitmap[octet + 1 + next]);
    }

    private static async ValueTask ReadAsync(DumpInput file, long offset, Memory<byte> octets, string what, CancellationToken cancellation)
    {
        if (!await file.TryReadAsync(offset, octets, cancellation).ConfigureAwait(false)) throw KdumpError.Truncated(file.Length, what);
    }

    /// <summary>Reads pages by their descriptors. The last raw page is kept: zero pages share one.</summary>
    private sealed class PageSource(DumpInput file, KdumpHeader header, Func<KdumpCompression, IBlockCodec> codecs)
    {
        private readonly byte[] _stored = new byte[header.BlockSize];
        private readonly byte[] _page = new byte[header.BlockSize];
        private readonly byte[] _raw = new byte[header.BlockSize];
        private long _rawOffset = -1;

        public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(ReadOnlyMemory<byte> descriptor, long at, CancellationToken cancellation)
        {
            var order = header.Target.Order;
            var offset = (long)order.Get64(descriptor.Span);
            var (length, method) = (order.Get32(descriptor.Span[8..]), (KdumpCompression)order.Get32(descriptor.Span[12..]));
            if (length == 0 || length > header.BlockSize) throw KdumpError.Create(at + 8, $"a page of {length} octets");
            if (method is not (KdumpCompression.None or KdumpCompression.Zlib or KdumpCompression.Lzo or KdumpCompression.Snappy or KdumpCompression.Zstd))
                throw KdumpError.Create(at + 12, $"method {(uint)method} of a page is not known");
            if (method == KdumpCompression.None && length != header.BlockSize) throw KdumpError.Create(at + 8, $"a page that is not compressed has {length} octets");
            if (method == KdumpCompression.None && offset == _rawOffset) return _raw;
            var stored = method == KdumpCompression.None ? _raw : _stored.AsMemory(0, (int)length);
            _rawOffset = method == KdumpCompression.None ? -1 : _rawOffset;
            if (offset < 0 || !await file.TryReadAsync(offset, stored, cancellation).ConfigureAwait(false))
                throw KdumpError.Truncated(Math.Min(at, file.Length), $"a page of {length} octets at {(ulong)offset}");
            if (method == KdumpCompression.None)
            {
                _rawOffset = offset;
                return _raw;
            }
            try
            {
                codecs(method).Decompress(stored.Span, _page);
            }
            catch (MalformedInputException e)
            {
                throw KdumpError.Create(offset, $"a page cannot be decompressed: {e.Reason}", inner: e);
            }
            return _page;
        }
    }
}
