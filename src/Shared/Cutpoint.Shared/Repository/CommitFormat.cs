using System.Text;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>
/// The value that says a checkpoint is whole: written and flushed after everything it names, and before the catalog lists it. Its digest is
/// the checkpoint's root digest.
/// </summary>
internal static class CommitFormat
{
    public const int MaxTextLength = 255;
    private const int MaxLabels = 1024;
    private const int MaxGuests = 65536;
    private const ulong MaxTime = 253_402_300_799_999;

    public static byte[] Write(CheckpointInfo info, string record, out Digest root)
    {
        var labels = info.Labels.OrderBy(label => label.Key, StringComparer.Ordinal).ToList();
        var capacity = 1024L + Encoding.UTF8.GetByteCount(record) + ((labels.Count + 1) * 2L * (MaxTextLength + 16))
            + (info.Guests.Count * (MaxTextLength + 128L));
        var writer = new BackwardWriter(new byte[checked((int)capacity)]);
        PackFormat.ReserveDigest(ref writer);
        var guestsEnd = writer.Start;
        foreach (var guest in info.Guests.Reverse())
        {
            var end = writer.Start;
            writer.Integer((ulong)guest.StoredBytes);
            writer.Integer((ulong)guest.ReusedBytes);
            writer.Integer((ulong)guest.ContentBytes);
            writer.Integer((ulong)guest.LogicalBytes);
            guest.Root.CopyTo(writer.Contents(Digest.Length));
            writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + Digest.Length);
            writer.Text(guest.Name);
            writer.Sequence(end);
        }
        writer.Sequence(guestsEnd);
        writer.Octets(Encoding.UTF8.GetBytes(record));
        var labelsEnd = writer.Start;
        for (var index = labels.Count - 1; index >= 0; index--)
        {
            var end = writer.Start;
            writer.Text(labels[index].Value);
            writer.Text(labels[index].Key);
            writer.Sequence(end);
        }
        writer.Sequence(labelsEnd);
        writer.Integer((ulong)info.CreatedAt.ToUnixTimeMilliseconds());
        // A checkpoint without a name has an empty one here.
        writer.Text(info.Name ?? "");
        PackHeader.WriteUlid(ref writer, info.Id);
        writer.Integer(PackFormat.Version);
        root = PackFormat.Close(ref writer, PackFormat.CommitTag);
        return writer.Written.ToArray();
    }

    public static CheckpointInfo Read(ReadOnlySpan<byte> value, long offset, out string record)
    {
        var fields = PackFormat.Open(value, PackFormat.CommitTag, offset, out var root);
        PackFormat.ReadVersion(ref fields);
        var id = PackHeader.ReadUlid(ref fields, "id");
        var name = fields.ReadUtf8String(MaxTextLength);
        var created = DateTimeOffset.FromUnixTimeMilliseconds((long)fields.ReadUnsigned("time", MaxTime));
        var labelFields = fields.ReadConstructed(BerTag.Sequence);
        var labels = new Dictionary<string, string>(StringComparer.Ordinal);
        while (!labelFields.IsAtEnd)
        {
            var label = labelFields.ReadConstructed(BerTag.Sequence);
            if (labels.Count == MaxLabels || !labels.TryAdd(label.ReadUtf8String(MaxTextLength), label.ReadUtf8String(MaxTextLength)))
                throw PackFormat.Damaged(labelFields.Position, "a label is there twice, or there are too many");
        }
        record = Encoding.UTF8.GetString(fields.ReadPrimitive(BerTag.OctetString));
        var guestFields = fields.ReadConstructed(BerTag.Sequence);
        var guests = new List<GuestInfo>();
        while (!guestFields.IsAtEnd)
        {
            if (guests.Count == MaxGuests) throw PackFormat.Damaged(guestFields.Position, "too many guests");
            var guest = guestFields.ReadConstructed(BerTag.Sequence);
            guests.Add(new GuestInfo(
                guest.ReadUtf8String(MaxTextLength),
                new Digest(PackFormat.ReadFixed(ref guest, "root digest", Digest.Length)),
                (long)guest.ReadUnsigned("logical octets", long.MaxValue),
                (long)guest.ReadUnsigned("content octets", long.MaxValue),
                (long)guest.ReadUnsigned("reused octets", long.MaxValue),
                (long)guest.ReadUnsigned("stored octets", long.MaxValue)));
        }
        return new CheckpointInfo(id, name.Length == 0 ? null : name, created, root, labels, guests);
    }
}
