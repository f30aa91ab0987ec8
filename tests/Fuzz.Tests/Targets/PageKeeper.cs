using Cutpoint.Formats.Qemu;

namespace Cutpoint.Fuzz.Targets;

/// <summary>Keeps the last page, as differences need it, and nothing else.</summary>
internal sealed class PageKeeper : IQemuStreamVisitor
{
    private readonly byte[] _page = new byte[1 << 16];
    private (int Block, long Offset, int Length) _kept = (-1, 0, 0);

    public QemuConfiguration? Configuration { get; private set; }

    public IReadOnlyList<QemuRamBlock> Blocks { get; private set; } = [];

    public void OnConfiguration(QemuConfiguration configuration) => Configuration = configuration;

    public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks) => Blocks = blocks;

    public void OnPage(int block, long offset, ReadOnlySpan<byte> page)
    {
        if (offset < 0 || offset + page.Length > Blocks[block].Length) throw new InvalidOperationException("a page outside of its block");
        page.CopyTo(_page);
        _kept = (block, offset, page.Length);
    }

    public void OnZeroPage(int block, long offset)
    {
        if (offset < 0 || offset >= Blocks[block].Length) throw new InvalidOperationException("a page outside of its block");
    }

    public bool TryReadPage(int block, long offset, Span<byte> page)
    {
        if (_kept != (block, offset, page.Length)) return false;
        _page.AsSpan(0, page.Length).CopyTo(page);
        return true;
    }
}
