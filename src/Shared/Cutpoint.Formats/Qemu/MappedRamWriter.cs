using System.Buffers;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Writes a mapped-ram file (QEMU 9.0 and newer): every page at its fixed place, absent pages as holes. QEMU migration stream, section 6.
/// The calls follow those of
/// <see cref="QemuStreamWriter"/>; pages may come in any order and again, the last one wins.
/// </summary>
/// <remarks>
/// Pages never written count as zero. A receiver before QEMU 10 leaves such pages as they are, so write the zero pages of ROM blocks too.
/// Held in memory: one bit for
/// each page and the devices. One call at a time, except where said otherwise.
/// </remarks>
public sealed class MappedRamWriter
{
    private readonly SafeFileHandle _file;
    private readonly ArrayBufferWriter<byte> _buffer = new();
    private readonly WireWriter _wire;
    private readonly List<Place> _places = [];
    private long _tail;
    private bool _isMemory;
    private bool _isComplete;

    /// <summary>Creates a writer.</summary>
    /// <param name="file">A new, empty, seekable file open for writing; not closed.</param>
    public MappedRamWriter(SafeFileHandle file)
    {
        ArgumentNullException.ThrowIfNull(file);
        _file = file;
        _wire = new WireWriter(_buffer);
    }

    private sealed record Place(QemuRamBlock Block, long BitmapOffset, long PagesOffset, byte[] Bitmap);

    /// <summary>Writes header, configuration, block list and early devices; turns <see cref="QemuCapability.MappedRam"/> on.</summary>
    /// <param name="configuration">As captured.</param>
    /// <param name="blocks">Exactly the blocks of the receiving machine.</param>
    /// <param name="earlyDevices">The sections marked <see cref="DeviceSection.IsEarly"/>.</param>
    /// <param name="cancellation">Cancels between two writes; the file is then useless.</param>
    public async Task BeginAsync(
        QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks, IEnumerable<DeviceSection>? earlyDevices = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(blocks);
        Expect(_places.Count == 0 && !_isComplete);
        configuration = configuration.WithCapability(QemuCapability.MappedRam, true);
        DeviceSection[] early = [.. earlyDevices ?? []];
        _wire.Begin(configuration, blocks, early);
        foreach (var block in blocks)
        {
            _wire.WriteBlock(block, configuration.IgnoresShared);
            var bitmap = new byte[(block.Length / _wire.PageSize + 63) / 64 * sizeof(ulong)];
            var bitmapOffset = _tail + _buffer.WrittenCount + QemuWire.MappedRam.HeaderLength;
            var pagesOffset = (bitmapOffset + bitmap.Length + QemuWire.MappedRam.PagesAlignment - 1) / QemuWire.MappedRam.PagesAlignment
                * QemuWire.MappedRam.PagesAlignment;
            _wire.Write32(QemuWire.MappedRam.HeaderVersion);
            _wire.Write64(_wire.PageSize);
            _wire.Write64(bitmapOffset);
            _wire.Write64(pagesOffset);
            await FlushAsync(cancellation).ConfigureAwait(false);
            _places.Add(new Place(block, bitmapOffset, pagesOffset, bitmap));
            _tail = pagesOffset + block.Length;
        }

        _wire.EndPayload();
        foreach (var device in early) _wire.WriteDevice(device);
        _isMemory = true;
    }

    /// <summary>Writes one or several neighbouring pages. Safe for concurrent use with itself, for different pages.</summary>
    /// <param name="block">Number of the block in the list.</param>
    /// <param name="offset">Octets from the start of the block; a multiple of the page size.</param>
    /// <param name="pages">Whole pages; not kept.</param>
    public void WritePages(int block, long offset, ReadOnlySpan<byte> pages)
    {
        Expect(_isMemory);
        var place = _places[block];
        if (offset < 0 || offset % _wire.PageSize != 0 || pages.Length % _wire.PageSize != 0 || offset > place.Block.Length - pages.Length)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"not whole pages of block '{place.Block.Name}'");
        var first = offset / _wire.PageSize;
        var end = first + pages.Length / _wire.PageSize;
        // The words of a bitmap are of the host's byte order on the wire too.
        var words = MemoryMarshal.Cast<byte, ulong>(place.Bitmap.AsSpan());
        for (var page = first; page < end; page++) Interlocked.Or(ref words[(int)(page >> 6)], 1UL << (int)(page & 63));
        RandomAccess.Write(_file, pages, place.PagesOffset + offset);
    }

    /// <summary>Writes the bitmaps and closes the memory.</summary>
    /// <param name="cancellation">Cancels between two writes; the file is then useless.</param>
    public async Task EndMemoryAsync(CancellationToken cancellation = default)
    {
        Expect(_isMemory);
        foreach (var place in _places)
            await RandomAccess.WriteAsync(_file, place.Bitmap, place.BitmapOffset, cancellation).ConfigureAwait(false);
        foreach (var kind in (ReadOnlySpan<QemuSectionKind>)[QemuSectionKind.Part, QemuSectionKind.End])
        {
            _wire.BeginRound(kind);
            _wire.EndPayload();
        }

        _isMemory = false;
    }

    /// <summary>Adds a device; it is written by <see cref="CompleteAsync"/>.</summary>
    public void WriteDevice(DeviceSection device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Expect(!_isMemory && _places.Count > 0 && !_isComplete);
        _wire.WriteDevice(device);
    }

    /// <summary>Writes the devices, the end mark and, if every device has one, the description.</summary>
    /// <param name="cancellation">Cancels the write; the file is then useless.</param>
    public async Task CompleteAsync(CancellationToken cancellation = default)
    {
        Expect(!_isMemory && _places.Count > 0 && !_isComplete);
        _wire.Complete();
        await FlushAsync(cancellation).ConfigureAwait(false);
        _isComplete = true;
    }

    private async Task FlushAsync(CancellationToken cancellation)
    {
        await RandomAccess.WriteAsync(_file, _buffer.WrittenMemory, _tail, cancellation).ConfigureAwait(false);
        _tail += _buffer.WrittenCount;
        _buffer.ResetWrittenCount();
    }

    private static void Expect(bool inOrder)
    {
        if (!inOrder) throw new InvalidOperationException("the order is: begin, pages, end of memory, devices, complete");
    }
}
