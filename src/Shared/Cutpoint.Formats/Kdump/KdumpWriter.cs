using System.Buffers;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Formats.Kdump;

/// <summary>
/// Writes a kdump file: <see cref="TryWriteHead"/> until it is done, then the pages in order of frames. Holds nothing but what a call gets. One call at a time.
/// </summary>
public sealed class KdumpWriter
{
    private const int BitmapPiece = 256 << 10;

    private readonly KdumpHeader _header;
    private readonly KdumpLayout _layout;
    private readonly ReadOnlyMemory<byte> _notes;
    private readonly IPlacedOutput _output;
    private readonly ArrayBufferWriter<byte> _descriptors = new();
    private long _bitmapDone = -1;
    private long _pages;
    private long _position;

    /// <summary>Creates a writer.</summary>
    /// <param name="target">How the fields lie.</param>
    /// <param name="processors">The guest's processors; their names and number go into the header.</param>
    /// <param name="guestNote">The kernel's VMCOREINFO note, or null.</param>
    /// <param name="memory">The memory, ascending, without overlap.</param>
    /// <param name="compression">The method of the pages.</param>
    /// <param name="output">Takes the file.</param>
    public KdumpWriter(
        ElfTarget target, GuestProcessors processors, ElfNote? guestNote, IReadOnlyList<DumpRange> memory, KdumpCompression compression, IPlacedOutput output)
    {
        ArgumentNullException.ThrowIfNull(processors);
        ArgumentNullException.ThrowIfNull(memory);
        ArgumentNullException.ThrowIfNull(output);
        _output = output;
        var notes = new ArrayBufferWriter<byte>();
        ElfNotes.Write(processors.Notes(), target.IsBigEndian, notes);
        if (guestNote is not null) ElfNotes.Write([guestNote], target.IsBigEndian, notes);
        _notes = notes.WrittenMemory;
        _layout = new KdumpLayout(target.Is64Bit, processors.BlockSize, _notes.Length, memory);
        // The text is the last of the notes, but for its padding.
        var text = guestNote is null ? 0 : guestNote.Contents.Length;
        _header = new KdumpHeader
        {
            Target = target,
            MachineName = processors.MachineName,
            Compression = compression,
            BlockSize = _layout.BlockSize,
            SubHeaderBlocks = _layout.SubHeaderBlocks,
            BitmapBlocks = checked((uint)(2 * _layout.BitmapLength / _layout.BlockSize)),
            FrameCount = _layout.FrameCount,
            CpuCount = processors.Count,
            PhysicalBase = processors.PhysicalBase(guestNote, memory),
            VmCoreInfoOffset = guestNote is null ? 0 : _layout.NotesOffset + _notes.Length - ((text + 3) & ~3),
            VmCoreInfoLength = text,
            NotesOffset = _layout.NotesOffset,
            NotesLength = _notes.Length,
        };
    }

    /// <summary>Where everything is.</summary>
    public KdumpLayout Layout => _layout;

    /// <summary>Octets of the file so far, holes included; after the last page those of the whole file.</summary>
    public long Length => _position;

    /// <summary>Writes the next piece of what stands in front of the pages, at most 256 KiB.</summary>
    /// <returns>False when there is no more.</returns>
    public bool TryWriteHead()
    {
        if (_bitmapDone < 0)
        {
            WriteHeaders();
            _bitmapDone = 0;
            return true;
        }
        if (_bitmapDone == 2 * _layout.BitmapLength)
        {
            if (_position == 0) WriteZeroPage();
            return false;
        }
        var start = _bitmapDone % _layout.BitmapLength;
        var piece = new byte[Math.Min(BitmapPiece, _layout.BitmapLength - start)];
        _layout.FillBitmap(start, piece);
        _output.Write(_layout.BitmapOffset + _bitmapDone, piece);
        _bitmapDone += piece.Length;
        return true;
    }

    /// <summary>Writes pages behind those before.</summary>
    public void Write(KdumpPages pages)
    {
        ArgumentNullException.ThrowIfNull(pages);
        if (_position == 0 || pages.Count > _layout.PageCount - _pages)
            throw new InvalidOperationException("the order is: head, then as many pages as the memory has");
        _descriptors.ResetWrittenCount();
        var position = _position;
        foreach (var entry in pages.Entries)
        {
            if (entry.Length == 0)
            {
                Describe(_layout.PagesOffset, _layout.BlockSize, KdumpCompression.None);
                continue;
            }
            Describe(position, entry.Length, entry.IsCompressed ? pages.Compression : KdumpCompression.None);
            position += entry.Length;
        }
        _output.Write(_layout.DescriptorsOffset + (_pages * KdumpLayout.DescriptorLength), _descriptors.WrittenSpan);
        _output.Write(_position, pages.Octets);
        _pages += pages.Count;
        _position = position;
    }

    /// <summary>Checks that every page was written.</summary>
    /// <exception cref="InvalidOperationException">Some are missing.</exception>
    public void Complete()
    {
        if (_pages != _layout.PageCount) throw new InvalidOperationException($"{_pages} of {_layout.PageCount} pages were written");
    }

    private void Describe(long position, int length, KdumpCompression method)
    {
        var order = _header.Target.Order;
        var at = _descriptors.GetSpan(KdumpLayout.DescriptorLength);
        order.Put64(at, (ulong)position);
        order.Put32(at[8..], (uint)length);
        order.Put32(at[12..], (uint)method);
        order.Put64(at[16..], 0);
        _descriptors.Advance(KdumpLayout.DescriptorLength);
    }

    private void WriteHeaders()
    {
        var (length, subLength) = KdumpHeader.Lengths(_header.Target.Is64Bit);
        var header = new byte[length];
        _header.WriteHeader(header);
        _output.Write(0, header);
        header = new byte[subLength];
        _header.WriteSubHeader(header);
        _output.Write(_layout.BlockSize, header);
        _output.Write(_layout.NotesOffset, _notes.Span);
    }

    private void WriteZeroPage()
    {
        _output.Write(_layout.PagesOffset, new byte[_layout.BlockSize]);
        _position = _layout.PagesOffset + _layout.BlockSize;
    }
}
