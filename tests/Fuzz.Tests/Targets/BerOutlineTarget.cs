using Cutpoint.Guests;
using Cutpoint.Workers.Export;

namespace Cutpoint.Fuzz.Targets;

/// <summary>The outline of a foreign BER file, as an export finds it in a repository.</summary>
public sealed class BerOutlineTarget : FuzzTarget
{
    private static readonly IReadOnlyList<RamBlock> Blocks = [new("pc.ram", 70 * Paging.PageSize), new("rom", Paging.PageSize)];

    public override string Name => "ber-outline";

    public override IReadOnlyList<byte[]> Words { get; } = [[0x00], [0x01], [0x7f], [0x80], [0xff], [0x80, 0x00], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]];

    public override void Read(byte[] octets, Random random)
    {
        long length = 0;
        var reader = new BerOutlineReader(octets, Blocks);
        while (reader.Read())
        {
            length += reader.Octets.Length;
            if (reader.Page is not { } page) continue;
            if (page.Number < 0 || page.Number >= Blocks[page.Block].PageCount) throw new InvalidOperationException("a page outside of the memory");
        }

        if (length > octets.Length) throw new InvalidOperationException("more octets than there are");
    }

    protected override IEnumerable<byte[]> Golden() =>
    [
        .. GoldenFiles.Of("Ber", "*.ber").Where(ForeignBer.IsSound).Select(file => ForeignBer.Import(file, imported => imported.Outline.ToArray())),
        [3, 1, 2, 3, 1, 69, 0, 2, 0, 200, 1, .. new byte[200], 0],
    ];
}
