using System.Text;

namespace Cutpoint.Formats.Ber;

/// <summary>The RAM entries: flags say what an entry holds, its content must agree.</summary>
public sealed partial class BerSnapshotReader
{
    private const int MinPageSize = 512;
    private const BerRamFlags Pages = BerRamFlags.Page | BerRamFlags.Zero | BerRamFlags.Xbzrle;
    private const BerRamFlags Kinds = Pages | BerRamFlags.BlockList | BerRamFlags.Hook | BerRamFlags.EndOfSection;

    private byte[][] _blockNames = [];
    private BerRamBlock? _lastBlock;
    private bool _isNameDue;
    private bool _hasBlockList;

    // All addresses and block lengths, or-ed: its low bits are zero exactly if every one of them is a multiple of the page size.
    private ulong _alignment;

    private bool AcceptRamEntry()
    {
        ExpectStart(BerSnapshot.RamEntry, "a RAM entry");
        Push(Mode.RamEntry);
        return false;
    }

    private bool AcceptRamEntryChild(int child)
    {
        switch (child)
        {
            case 0:
                RamAddress = ReadUnsigned("the address");
                return false;
            case 1:
                AcceptFlags((BerRamFlags)ReadUnsigned("the RAM flags", int.MaxValue));
                return false;
            default:
                if (_isNameDue)
                {
                    // Cleared before the pieces come: they are no children of the entry.
                    _isNameDue = false;
                    return AcceptName("the name of the RAM block");
                }

                if (Innermost.HasContent || (RamFlags & (Pages | BerRamFlags.BlockList)) == 0) return Skip();
                Innermost.HasContent = true;
                return AcceptContent();
        }
    }

    private void AcceptFlags(BerRamFlags flags)
    {
        RamFlags = flags & ~BerRamFlags.Continue;
        if ((RamFlags & ~Kinds) != 0 || !int.IsPow2((int)RamFlags))
            BerError.Throw(_reader.Offset, $"RAM flags {(int)flags:x} that say no one kind of entry");
        _isNameDue = (flags & (BerRamFlags.Continue | BerRamFlags.BlockList | BerRamFlags.Hook)) == 0;
        RamBlock = _isNameDue || (RamFlags & Pages) == 0 ? null : _lastBlock;
        if (!_isNameDue && RamBlock is null && (RamFlags & Pages) != 0)
            BerError.Throw(_reader.Offset, "a RAM entry that continues a block, and none before it");
        if (RamBlock is not null) CheckAddress();
    }

    private void SelectBlock(ReadOnlySpan<byte> name)
    {
        for (var index = 0; index < _blockNames.Length; index++)
        {
            if (!name.SequenceEqual(_blockNames[index])) continue;
            RamBlock = _lastBlock = RamBlocks[index];
            if ((RamFlags & Pages) != 0) CheckAddress();
            return;
        }

        BerError.Throw(_reader.Offset, $"RAM block '{Encoding.UTF8.GetString(name)}', which the block list before it does not have");
    }

    private void CheckAddress()
    {
        if (RamAddress >= RamBlock!.Length)
            BerError.Throw(_reader.Offset, $"address {RamAddress:x} outside of RAM block '{RamBlock.Name}' of {RamBlock.Length} octets");
        _alignment |= RamAddress;
        CheckAlignment();
    }

    private void CheckAlignment()
    {
        if (PageSize != 0 && (_alignment & ((ulong)PageSize - 1)) != 0)
            BerError.Throw(_reader.Offset, $"an address or block length up to here is not a multiple of the page size {PageSize}");
    }

    private bool AcceptContent()
    {
        switch (RamFlags)
        {
            case BerRamFlags.BlockList:
                ExpectStart(BerTag.Sequence, "the block list");
                _blocks.Clear();
                Push(Mode.BlockList);
                return false;
            case BerRamFlags.Zero:
                RamFill = (byte)ReadUnsigned("the fill octet", byte.MaxValue);
                return Stand(BerSnapshotEvent.RamEntry);
            default:
                if (_reader.Tag != BerTag.OctetString) Unexpected("a page");
                if (_reader.Token == BerToken.Start) return BeginPieces(Purpose.Page);
                if (!_reader.IsBuffered) ThrowTooLong(Purpose.Page);
                return TakePage();
        }
    }

    private bool TakePage()
    {
        var length = Contents.Length;
        if (RamFlags == BerRamFlags.Page && length != PageSize)
        {
            if (PageSize != 0) BerError.Throw(_reader.Offset, $"a page of {length} octets; pages before it have {PageSize}");
            if (length < MinPageSize || !int.IsPow2(length))
                BerError.Throw(_reader.Offset, $"a page of {length} octets, which is no page size");
            PageSize = length;
            CheckAlignment();
        }

        if (PageSize != 0 && length > PageSize) BerError.Throw(_reader.Offset, $"an XBZRLE page of {length} octets; pages have {PageSize}");
        return Stand(BerSnapshotEvent.RamEntry);
    }

    private bool EndRamEntry(in Frame entry)
    {
        if (_isNameDue) BerError.Throw(_reader.Offset, "a RAM entry without the name of its block");
        if ((RamFlags & (Pages | BerRamFlags.BlockList)) == 0) return Stand(BerSnapshotEvent.RamEntry);
        if (!entry.HasContent) BerError.Throw(_reader.Offset, $"a RAM entry without its content ({RamFlags})");
        return false;
    }

    private bool AcceptBlock()
    {
        ExpectStart(BerTag.Sequence, "a block of the block list");
        if (_blocks.Count == BerSnapshot.MaxRamBlocks) BerError.Throw(_reader.Offset, $"more than {BerSnapshot.MaxRamBlocks} RAM blocks");
        Push(Mode.Block);
        return false;
    }

    private bool AcceptBlockChild(int child)
    {
        switch (child)
        {
            case 0:
                return AcceptName("the name of a RAM block");
            case 1:
                _blocks.Add(new BerRamBlock(Innermost.Name!, ReadUnsigned("the length of a RAM block")));
                return false;
            default:
                return Skip();
        }
    }

    private bool EndBlockList()
    {
        UInt128 total = 0;
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var block in _blocks)
        {
            total += block.Length;
            _alignment |= block.Length;
            if (!names.Add(block.Name)) BerError.Throw(_reader.Offset, $"RAM block '{block.Name}' twice in the block list");
        }

        if (total != RamAddress) BerError.Throw(_reader.Offset, $"RAM blocks of {total} octets in all; the entry says {RamAddress}");
        if (_hasBlockList) BerError.Throw(_reader.Offset, "a second block list");
        _hasBlockList = true;
        RamBlocks = [.. _blocks];
        _blockNames = [.. _blocks.Select(block => Encoding.UTF8.GetBytes(block.Name))];
        return Stand(BerSnapshotEvent.RamBlocks);
    }
}
