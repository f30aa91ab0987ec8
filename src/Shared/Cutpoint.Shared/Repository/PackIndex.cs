using System.Buffers.Binary;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>
/// The last value of a finished pack: where every section, manifest and commit record is, so that a catalog is rebuilt without reading the
/// packs. It ends in its own length before its digest, so that it is found from the end of the file.
/// </summary>
internal static class PackIndex
{
    private const int EntryLength = 1 + Digest.Length + sizeof(long) + sizeof(int);
    private const int OffsetAt = 1 + Digest.Length;
    private const int LengthAt = OffsetAt + sizeof(long);
    private const int LengthElementLength = 2 + sizeof(long);

    /// <summary>Octets at the end of a pack that tell where its index starts.</summary>
    public const int TrailerLength = LengthElementLength + BackwardWriter.DigestElementLength;

    public static byte[] Write(IReadOnlyList<PackEntry> listed)
    {
        var buffer = new byte[TrailerLength + (listed.Count * EntryLength) + (4 * BerHeader.MaxLength)];
        var writer = new BackwardWriter(buffer);
        PackFormat.ReserveDigest(ref writer);
        var length = writer.Contents(sizeof(long));
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + sizeof(long));
        var entries = writer.Contents(listed.Count * EntryLength);
        for (var index = 0; index < listed.Count; index++)
        {
            var entry = entries[(index * EntryLength)..];
            entry[0] = (byte)listed[index].Tag.Number;
            listed[index].Digest.CopyTo(entry[1..]);
            BinaryPrimitives.WriteInt64BigEndian(entry[OffsetAt..], listed[index].Offset);
            BinaryPrimitives.WriteInt32BigEndian(entry[LengthAt..], listed[index].Length);
        }
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + entries.Length);
        writer.Integer(PackFormat.Version);
        var contents = writer.Written.Length;
        BinaryPrimitives.WriteInt64BigEndian(length, contents + BerHeader.Measure(PackFormat.IndexTag, contents));
        PackFormat.Close(ref writer, PackFormat.IndexTag);
        return writer.Written.ToArray();
    }

    public static List<PackEntry> Read(ReadOnlySpan<byte> value, long offset)
    {
        var fields = PackFormat.Open(value, PackFormat.IndexTag, offset, out _);
        PackFormat.ReadVersion(ref fields);
        var position = fields.Position;
        var entries = fields.ReadPrimitive(BerTag.OctetString);
        if (entries.Length % EntryLength != 0) throw PackFormat.Damaged(position, $"an index of {entries.Length} octets");
        var listed = new List<PackEntry>(entries.Length / EntryLength);
        for (; !entries.IsEmpty; entries = entries[EntryLength..])
        {
            listed.Add(new PackEntry(
                BerTag.Application(entries[0]),
                new Digest(entries.Slice(1, Digest.Length)),
                BinaryPrimitives.ReadInt64BigEndian(entries[OffsetAt..]),
                BinaryPrimitives.ReadInt32BigEndian(entries[LengthAt..])));
        }
        return listed;
    }

    /// <summary>The length of the index value, from the last octets of a pack: those from the element with its length on; 0 when no index ends there.</summary>
    public static long LengthFromTrailer(ReadOnlySpan<byte> trailer) =>
        trailer.Length >= LengthElementLength && trailer[0] == 0x04 && trailer[1] == sizeof(long)
            ? BinaryPrimitives.ReadInt64BigEndian(trailer[2..])
            : 0;
}
