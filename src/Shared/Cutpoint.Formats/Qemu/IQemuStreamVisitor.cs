namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Receives what a <see cref="QemuStreamParser"/> finds, in stream order, on the thread that feeds the parser. Spans are valid during the
/// call only.
/// A live stream sends a page several times; the last one wins. An exception thrown here leaves the parser unusable.
/// </summary>
public interface IQemuStreamVisitor
{
    /// <summary>
    /// True while no further page can be taken. The parser looks after every page and then returns to its caller, who makes room and goes
    /// on;
    /// <see cref="QemuStreamParser.ParseAsync"/> awaits <see cref="DrainAsync"/>.
    /// </summary>
    bool IsFull => false;

    /// <summary>The configuration; before everything else.</summary>
    void OnConfiguration(QemuConfiguration configuration);

    /// <summary>The RAM blocks; once, before any page. All of them are listed, also those whose pages are not sent.</summary>
    void OnBlocks(IReadOnlyList<QemuRamBlock> blocks);

    /// <summary>A page's contents.</summary>
    /// <param name="block">Number of the block in the list.</param>
    /// <param name="offset">Octets from the start of the block; a multiple of the page size, inside the block.</param>
    /// <param name="page">One page.</param>
    void OnPage(int block, long offset, ReadOnlySpan<byte> page);

    /// <summary>A page that is all zero.</summary>
    /// <param name="block">Number of the block in the list.</param>
    /// <param name="offset">Octets from the start of the block; a multiple of the page size, inside the block.</param>
    void OnZeroPage(int block, long offset);

    /// <summary>
    /// Fetches the contents a page had when it was reported last. Asked only for streams with XBZRLE, whose pages are differences against
    /// it.
    /// </summary>
    /// <returns>False when the visitor does not keep pages; the stream is then refused.</returns>
    bool TryReadPage(int block, long offset, Span<byte> page) => false;

    /// <summary>
    /// A section of something sent in rounds begins. Devices are not announced; they come from <see cref="QemuStreamParser.Complete"/>.
    /// </summary>
    /// <param name="kind">Start, part or end.</param>
    /// <param name="name">"ram", "dirty-bitmap" or "block".</param>
    void OnSectionStart(QemuSectionKind kind, string name)
    {
    }

    /// <summary>The section that began last is complete, its footer checked.</summary>
    void OnSectionEnd(QemuSectionKind kind, string name)
    {
    }

    /// <summary>The first device section behind the memory was reached: no page follows any more.</summary>
    void OnMemoryEnd()
    {
    }

    /// <summary>A piece of a disk's dirty bitmap.</summary>
    void OnDirtyBitmap(in DirtyBitmapChunk chunk)
    {
    }

    /// <summary>A piece of a disk's contents (section "block", QEMU 9.0 and older).</summary>
    /// <param name="device">Name of the disk.</param>
    /// <param name="offset">Octets from the start of the disk.</param>
    /// <param name="data">The octets; empty for 1 MiB of zeros.</param>
    void OnDiskData(string device, long offset, ReadOnlySpan<byte> data)
    {
    }

    /// <summary>Makes room after <see cref="IsFull"/>. Called by <see cref="QemuStreamParser.ParseAsync"/> alone.</summary>
    ValueTask DrainAsync(CancellationToken cancellation) => ValueTask.CompletedTask;
}
