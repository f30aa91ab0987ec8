using Cutpoint.Formats;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>Reads an outline piece by piece. It comes from a repository, so it may be anything. Not safe for concurrent use.</summary>
/// <param name="outline">The outline.</param>
/// <param name="blocks">The guest's RAM blocks.</param>
internal sealed class BerOutlineReader(ReadOnlyMemory<byte> outline, IReadOnlyList<RamBlock> blocks)
{
    private int _at;
    private bool _ended;

    /// <summary>Octets of the file.</summary>
    public ReadOnlyMemory<byte> Octets { get; private set; }

    /// <summary>The page of the memory that follows them, or null: the file ends.</summary>
    public (int Block, long Number)? Page { get; private set; }

    /// <summary>Reads the next piece; false behind the last one.</summary>
    /// <exception cref="MalformedInputException">The outline is damaged.</exception>
    public bool Read()
    {
        if (_ended) return false;
        var length = ReadNumber();
        if (length > (ulong)(outline.Length - _at)) throw Damaged("it ends inside of the octets between two pages");
        Octets = outline.Slice(_at, (int)length);
        _at += (int)length;
        var block = ReadNumber();
        if (block == 0)
        {
            if (_at != outline.Length) throw Damaged("octets behind its end");
            (Page, _ended) = (null, true);
            return true;
        }
        var number = ReadNumber();
        if (block > (ulong)blocks.Count || number >= (ulong)blocks[(int)block - 1].PageCount) throw Damaged("a page outside of the memory");
        Page = ((int)block - 1, (long)number);
        return true;
    }

    private ulong ReadNumber()
    {
        ulong number = 0;
        for (var shift = 0; shift < 63; shift += 7)
        {
            if (_at == outline.Length) throw Damaged("it ends inside of a number");
            var octet = outline.Span[_at++];
            number |= (ulong)(octet & 0x7f) << shift;
            if ((octet & 0x80) == 0) return number;
        }
        throw Damaged("a number of more than 63 bits");
    }

    private MalformedInputException Damaged(string reason) => new("outline", _at, reason, "run 'cutpoint verify', and import the file again");
}
