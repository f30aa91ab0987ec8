using System.Buffers.Binary;
using System.Text;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>The value that says where the pages of sections are. A job writes one for every few sections, behind them.</summary>
internal static class PlacementFormat
{
    private const int ExtentLength = sizeof(int) + (2 * sizeof(ulong));
    private const int MaxPlacements = 1 << 16;

    public static byte[] Write(IReadOnlyList<Placement> placements, out Digest digest)
    {
        var capacity = 256 + placements.Sum(one =>
            (6 * BerHeader.MaxLength) + Encoding.UTF8.GetByteCount(one.Guest) + Encoding.UTF8.GetByteCount(one.Block) + sizeof(long) + 1
            + Digest.Length + (one.Extents.Length * ExtentLength));
        var writer = new BackwardWriter(new byte[capacity]);
        PackFormat.ReserveDigest(ref writer);
        var end = writer.Start;
        for (var index = placements.Count - 1; index >= 0; index--) Write(ref writer, placements[index]);
        writer.Sequence(end);
        writer.Integer(PackFormat.Version);
        digest = PackFormat.Close(ref writer, PackFormat.PlacementTag);
        return writer.Written.ToArray();
    }

    public static List<Placement> Read(ReadOnlySpan<byte> value, long offset)
    {
        var fields = PackFormat.Open(value, PackFormat.PlacementTag, offset, out _);
        PackFormat.ReadVersion(ref fields);
        var placements = new List<Placement>();
        var listed = fields.ReadConstructed(BerTag.Sequence);
        while (!listed.IsAtEnd)
        {
            if (placements.Count == MaxPlacements) throw PackFormat.Damaged(listed.Position, $"more than {MaxPlacements} placements");
            placements.Add(ReadOne(ref listed));
        }
        return placements;
    }

    private static bool IsWithin(ExtentPages pages, long length)
    {
        var block = new RamBlock("", length);
        return (uint)pages.Extent < (uint)block.ExtentCount && (pages.Present & pages.Zero) == 0
            && ((pages.Present | pages.Zero) & ~ManifestFormat.PagesOf(block, pages.Extent)) == 0;
    }

    private static void Write(ref BackwardWriter writer, Placement placement)
    {
        var end = writer.Start;
        var extents = writer.Contents(placement.Extents.Length * ExtentLength);
        for (var index = 0; index < placement.Extents.Length; index++)
        {
            var octets = extents[(index * ExtentLength)..];
            BinaryPrimitives.WriteInt32BigEndian(octets, placement.Extents[index].Extent);
            BinaryPrimitives.WriteUInt64BigEndian(octets[sizeof(int)..], placement.Extents[index].Present);
            BinaryPrimitives.WriteUInt64BigEndian(octets[(sizeof(int) + sizeof(ulong))..], placement.Extents[index].Zero);
        }
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + extents.Length);
        placement.Section.CopyTo(writer.Contents(Digest.Length));
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + Digest.Length);
        writer.Integer((ulong)placement.BlockLength);
        writer.Text(placement.Block);
        writer.Text(placement.Guest);
        writer.Sequence(end);
    }

    private static Placement ReadOne(ref BerSpanReader listed)
    {
        var fields = listed.ReadConstructed(BerTag.Sequence);
        var guest = fields.ReadUtf8String(ManifestFormat.MaxNameLength);
        var block = fields.ReadUtf8String(ManifestFormat.MaxNameLength);
        var length = (long)fields.ReadUnsigned("block length", ManifestFormat.MaxBlockLength);
        var section = new Digest(PackFormat.ReadFixed(ref fields, "section", Digest.Length));
        var position = fields.Position;
        var octets = fields.ReadPrimitive(BerTag.OctetString);
        if (octets.Length % ExtentLength != 0 || octets.Length > Paging.ExtentsPerSection * ExtentLength)
            throw PackFormat.Damaged(position, $"extents of {octets.Length} octets");
        var extents = new ExtentPages[octets.Length / ExtentLength];
        for (var index = 0; index < extents.Length; index++, octets = octets[ExtentLength..])
        {
            extents[index] = new ExtentPages(
                BinaryPrimitives.ReadInt32BigEndian(octets), BinaryPrimitives.ReadUInt64BigEndian(octets[sizeof(int)..]),
                BinaryPrimitives.ReadUInt64BigEndian(octets[(sizeof(int) + sizeof(ulong))..]));
            if (!IsWithin(extents[index], length)) throw PackFormat.Damaged(position, $"pages outside of block '{block}'");
        }
        return new Placement(guest, block, length, section, extents);
    }
}
