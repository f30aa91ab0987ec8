namespace Cutpoint.Formats.Ber;

/// <summary>The RAM entries: one block list, then pages.</summary>
public sealed partial class BerSnapshotWriter
{
    private Dictionary<string, ulong>? _blocks;
    private string? _currentBlock;
    private ulong _currentLength;

    /// <summary>Opens the list of RAM entries of a section.</summary>
    public void BeginRamList()
    {
        AddBody();
        Push(BerSequenceMode.RamList, BerSnapshot.RamList);
    }

    /// <summary>Closes the list of RAM entries.</summary>
    public void EndRamList() => Pop(BerSequenceMode.RamList);

    /// <summary>Writes the block list. It is written once, before any page.</summary>
    /// <param name="blocks">All blocks, in order; lengths are multiples of the page size.</param>
    public void WriteRamBlocks(IReadOnlyList<BerRamBlock> blocks)
    {
        ArgumentNullException.ThrowIfNull(blocks);
        Require(BerSequenceMode.RamList);
        if (_blocks is not null) throw new InvalidOperationException("The block list is written already.");
        if (blocks.Count > BerSnapshot.MaxRamBlocks) throw Refused($"more than {BerSnapshot.MaxRamBlocks} RAM blocks", null);
        var lengths = new Dictionary<string, ulong>(blocks.Count, StringComparer.Ordinal);
        ulong total = 0;
        foreach (var block in blocks)
        {
            CheckName(block.Name, "RAM block");
            if (!lengths.TryAdd(block.Name, block.Length)) throw Refused($"two RAM blocks '{block.Name}'", "name every block differently");
            if (block.Length % (ulong)_pageSize != 0 || block.Length > ulong.MaxValue - total)
                throw Refused($"{block.Length} octets of RAM block '{block.Name}'", $"use a multiple of the page size {_pageSize}");
            total += block.Length;
        }

        _blocks = lengths;
        BeginEntry(total, BerRamFlags.BlockList);
        _writer.BeginConstructed(BerTag.Sequence);
        foreach (var block in blocks)
        {
            _writer.BeginConstructed(BerTag.Sequence);
            _writer.WriteUtf8String(block.Name);
            _writer.WriteInteger(block.Length);
            _writer.EndConstructed();
        }

        _writer.EndConstructed();
        Pop(BerSequenceMode.RamEntry);
    }

    /// <summary>Writes a page.</summary>
    /// <param name="block">Name of its block; pass the same instance for pages of one block.</param>
    /// <param name="address">Octets from the start of the block.</param>
    /// <param name="page">Exactly one page; copied before the call returns.</param>
    public void WritePage(string block, ulong address, ReadOnlySpan<byte> page)
    {
        if (page.Length != _pageSize) throw new ArgumentException($"A page has {_pageSize} octets, not {page.Length}.", nameof(page));
        BeginPage(block, address, BerRamFlags.Page);
        _writer.WriteOctetString(page);
        Pop(BerSequenceMode.RamEntry);
    }

    /// <summary>Writes a page of zeroes, which takes about 19 octets.</summary>
    /// <param name="block">Name of its block; pass the same instance for pages of one block.</param>
    /// <param name="address">Octets from the start of the block.</param>
    public void WriteZeroPage(string block, ulong address)
    {
        BeginPage(block, address, BerRamFlags.Zero);
        _writer.WriteInteger(0L);
        Pop(BerSequenceMode.RamEntry);
    }

    /// <summary>Writes a page as its difference to what was written before for the same address.</summary>
    /// <param name="block">Name of its block; pass the same instance for pages of one block.</param>
    /// <param name="address">Octets from the start of the block.</param>
    /// <param name="encoded">The XBZRLE encoding, at most one page long; copied before the call returns.</param>
    public void WriteXbzrlePage(string block, ulong address, ReadOnlySpan<byte> encoded)
    {
        if (encoded.Length > _pageSize)
            throw new ArgumentException($"The encoding is longer than a page of {_pageSize} octets.", nameof(encoded));
        BeginPage(block, address, BerRamFlags.Xbzrle);
        _writer.WriteOctetString(encoded);
        Pop(BerSequenceMode.RamEntry);
    }

    private void BeginPage(string block, ulong address, BerRamFlags flags)
    {
        Require(BerSequenceMode.RamList);
        var continues = ReferenceEquals(block, _currentBlock) || string.Equals(block, _currentBlock, StringComparison.Ordinal);
        if (!continues)
        {
            if (_blocks is null) throw new InvalidOperationException("The block list comes before any page.");
            if (!_blocks.TryGetValue(block, out _currentLength))
                throw new ArgumentException($"No RAM block '{block}' is listed.", nameof(block));
            _currentBlock = block;
        }

        if ((address & ((ulong)_pageSize - 1)) != 0 || address >= _currentLength)
            throw new ArgumentOutOfRangeException(nameof(address), address, $"Not the address of a page of '{block}'.");
        BeginEntry(address, continues ? flags | BerRamFlags.Continue : flags);
        if (!continues) _writer.WriteUtf8String(block);
    }

    private void BeginEntry(ulong address, BerRamFlags flags)
    {
        Push(BerSequenceMode.RamEntry, BerSnapshot.RamEntry);
        _writer.WriteInteger(address);
        _writer.WriteInteger((long)flags);
    }
}
