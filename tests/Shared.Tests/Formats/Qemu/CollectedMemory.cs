using System.Security.Cryptography;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Keeps what a stream says: the pages that were sent, and the order of everything else.</summary>
internal sealed class CollectedMemory : IQemuStreamVisitor
{
    private readonly Dictionary<(int Block, long Offset), byte[]> _pages = [];
    private static readonly byte[] ZeroPage = new byte[4096];

    public QemuConfiguration Configuration { get; private set; } = new("");

    public IReadOnlyList<QemuRamBlock> Blocks { get; private set; } = [];

    public List<string> Marks { get; } = [];

    public List<string> Bitmaps { get; } = [];

    public MemoryStream Disk { get; } = new();

    public long PagesReported { get; private set; }

    public bool KeepsPages { get; init; } = true;

    public bool KeepsDisk { get; init; } = true;

    /// <summary>Pages known, by place.</summary>
    public IReadOnlyDictionary<(int Block, long Offset), byte[]> Pages => _pages;

    public void OnConfiguration(QemuConfiguration configuration) => Configuration = configuration;

    public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks) => Blocks = blocks;

    public void OnPage(int block, long offset, ReadOnlySpan<byte> page)
    {
        PagesReported++;
        _pages[(block, offset)] = page.ToArray();
    }

    public void OnZeroPage(int block, long offset)
    {
        PagesReported++;
        _pages[(block, offset)] = ZeroPage;
    }

    public bool TryReadPage(int block, long offset, Span<byte> page) =>
        KeepsPages && _pages.TryGetValue((block, offset), out var known) && known.AsSpan().TryCopyTo(page);

    public void OnSectionStart(QemuSectionKind kind, string name) => Marks.Add($"{kind} {name}");

    public void OnSectionEnd(QemuSectionKind kind, string name) => Marks.Add($"/{kind} {name}");

    public void OnMemoryEnd() => Marks.Add("end");

    public void OnDirtyBitmap(in DirtyBitmapChunk chunk) => Bitmaps.Add(
        $"{chunk.Node}/{chunk.Bitmap} {chunk.Granularity}{(chunk.IsEnabled ? " enabled" : "")}{(chunk.IsComplete ? " complete" : "")} " +
        $"{chunk.FirstSector}+{chunk.SectorCount} {Convert.ToHexStringLower(chunk.Bits).TrimEnd('0')}");

    public void OnDiskData(string device, long offset, ReadOnlySpan<byte> data)
    {
        if (!KeepsDisk) return;
        Disk.Position = offset;
        Disk.Write(data.IsEmpty ? new byte[1 << 20] : data);
    }

    public byte[] Block(string name)
    {
        var index = Blocks.ToList().FindIndex(b => b.Name == name);
        var memory = new byte[Blocks[index].Length];
        foreach (var ((block, offset), page) in _pages)
        {
            if (block == index) page.CopyTo(memory.AsSpan((int)offset));
        }

        return memory;
    }

    public string Digest(string name) => Convert.ToHexStringLower(SHA256.HashData(Block(name)));
}
