using System.Buffers.Binary;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Nodes;

/// <summary>
/// The binary frames of a guest's store. Numbers are little-endian.
/// <code>
/// Section      block (4), number of extents (4), per extent: number (4), pages present (8), pages zero (8); then the section's value, if any
/// KnownHashes  again and again: block (4), extent (4), pages present (8), per page: hash (16)
/// </code>
/// </summary>
internal static class StoreFrames
{
    private const int SectionHeader = 8, ExtentLength = 20, HashesHeader = 16, HashLength = 16;

    /// <summary>Octets of the frame of a section.</summary>
    public static int LengthOf(EncodedSection section) => SectionHeader + (section.Extents.Length * ExtentLength) + section.Length;

    /// <summary>Writes the frame of a section.</summary>
    public static void Write(Span<byte> destination, EncodedSection section)
    {
        BinaryPrimitives.WriteInt32LittleEndian(destination, section.Block);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], section.Extents.Length);
        var rest = destination[SectionHeader..];
        foreach (var extent in section.Extents)
        {
            BinaryPrimitives.WriteInt32LittleEndian(rest, extent.Extent);
            BinaryPrimitives.WriteUInt64LittleEndian(rest[4..], extent.Present);
            BinaryPrimitives.WriteUInt64LittleEndian(rest[12..], extent.Zero);
            rest = rest[ExtentLength..];
        }
        section.Value.CopyTo(rest);
    }

    /// <summary>Reads the frame of a section.</summary>
    /// <param name="frame">The octets.</param>
    /// <param name="block">Number of the RAM block.</param>
    /// <param name="extents">The extents of the chunk it was made from.</param>
    /// <returns>The section's value; empty when all its pages are zero.</returns>
    /// <exception cref="SnapshotException">The frame contradicts itself.</exception>
    public static ReadOnlySpan<byte> Read(ReadOnlySpan<byte> frame, out int block, out ExtentPages[] extents)
    {
        var count = frame.Length < SectionHeader ? -1 : BinaryPrimitives.ReadInt32LittleEndian(frame[4..]);
        if (count is < 0 or > Paging.ExtentsPerSection || frame.Length < SectionHeader + (count * ExtentLength)) throw Wrong("a section");
        block = BinaryPrimitives.ReadInt32LittleEndian(frame);
        var rest = frame[SectionHeader..];
        extents = new ExtentPages[count];
        for (var index = 0; index < count; index++)
        {
            extents[index] = new ExtentPages(
                BinaryPrimitives.ReadInt32LittleEndian(rest), BinaryPrimitives.ReadUInt64LittleEndian(rest[4..]), BinaryPrimitives.ReadUInt64LittleEndian(rest[12..]));
            rest = rest[ExtentLength..];
        }
        return rest;
    }

    /// <summary>Octets of the hashes of some pages of one extent.</summary>
    public static int LengthOf(ReadOnlySpan<UInt128> hashes) => HashesHeader + (hashes.Length * HashLength);

    /// <summary>Writes the hashes of some pages of one extent.</summary>
    public static void Write(Span<byte> destination, int block, ExtentPages pages, ReadOnlySpan<UInt128> hashes)
    {
        BinaryPrimitives.WriteInt32LittleEndian(destination, block);
        BinaryPrimitives.WriteInt32LittleEndian(destination[4..], pages.Extent);
        BinaryPrimitives.WriteUInt64LittleEndian(destination[8..], pages.Present);
        for (var index = 0; index < hashes.Length; index++) BinaryPrimitives.WriteUInt128LittleEndian(destination[(HashesHeader + (index * HashLength))..], hashes[index]);
    }

    /// <summary>Hands on the hashes of a frame.</summary>
    /// <exception cref="SnapshotException">The frame contradicts itself.</exception>
    public static void Read(ReadOnlySpan<byte> frame, PageHashHandler handler)
    {
        Span<UInt128> hashes = stackalloc UInt128[Paging.PagesPerExtent];
        while (!frame.IsEmpty)
        {
            if (frame.Length < HashesHeader) throw Wrong("page hashes");
            var pages = new ExtentPages(BinaryPrimitives.ReadInt32LittleEndian(frame[4..]), BinaryPrimitives.ReadUInt64LittleEndian(frame[8..]), 0);
            var length = HashesHeader + (pages.PresentCount * HashLength);
            if (frame.Length < length) throw Wrong("page hashes");
            for (var index = 0; index < pages.PresentCount; index++)
                hashes[index] = BinaryPrimitives.ReadUInt128LittleEndian(frame[(HashesHeader + (index * HashLength))..]);
            handler(BinaryPrimitives.ReadInt32LittleEndian(frame), pages, hashes[..pages.PresentCount]);
            frame = frame[length..];
        }
    }

    private static SnapshotException Wrong(string what) =>
        new(ErrorCode.VerificationFailed, $"a frame with {what} contradicts itself", "use the same version of Cutpoint everywhere");
}
