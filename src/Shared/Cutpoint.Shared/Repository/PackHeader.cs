using System.Buffers.Binary;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>The first value of a pack.</summary>
/// <param name="Repository">The repository it belongs to.</param>
/// <param name="Pack">Its name.</param>
/// <param name="IsSealed">True when all that follows is encrypted.</param>
internal sealed record PackHeader(Ulid Repository, PackId Pack, bool IsSealed = false)
{
    /// <summary>No header is longer.</summary>
    public const int MaxLength = 256;

    private const int PlainProtection = 0;
    private const int SealedProtection = 1;

    public byte[] Write()
    {
        var writer = new BackwardWriter(new byte[MaxLength]);
        PackFormat.ReserveDigest(ref writer);
        writer.Integer((ulong)(IsSealed ? SealedProtection : PlainProtection));
        writer.Integer((ulong)Pack.Number);
        WriteUlid(ref writer, Pack.Job);
        WriteUlid(ref writer, Repository);
        writer.Integer(PackFormat.Version);
        writer.Text(PackFormat.Magic);
        PackFormat.Close(ref writer, PackFormat.HeaderTag);
        return writer.Written.ToArray();
    }

    public static PackHeader Read(ReadOnlySpan<byte> value)
    {
        var fields = PackFormat.Open(value, PackFormat.HeaderTag, 0, out _);
        if (fields.ReadUtf8String(64) != PackFormat.Magic) throw PackFormat.Damaged(0, "this is not a pack");
        PackFormat.ReadVersion(ref fields);
        var repository = ReadUlid(ref fields, "repository");
        var job = ReadUlid(ref fields, "job");
        var number = (int)fields.ReadUnsigned("number", PackId.MaxNumber);
        var protection = fields.ReadUnsigned("protection");
        if (protection > SealedProtection)
            throw new SnapshotException(
                ErrorCode.Incompatible, "the pack is encrypted in a way this program does not know", "use a newer version of Cutpoint");
        return new PackHeader(repository, new PackId(job, number), protection == SealedProtection);
    }

    /// <summary>Refuses a pack that is encrypted when its repository is not, and the other way round: somebody put it there.</summary>
    public void CheckProtection(PackFile file)
    {
        if (IsSealed != file.IsSealed)
            throw PackFormat.Damaged(0, IsSealed ? "the pack is encrypted, its repository is not" : "the pack is not encrypted, its repository is");
    }

    public static void WriteUlid(ref BackwardWriter writer, Ulid ulid)
    {
        Span<byte> octets = stackalloc byte[16];
        BinaryPrimitives.WriteUInt128BigEndian(octets, ulid.Value);
        writer.Octets(octets);
    }

    public static Ulid ReadUlid(ref BerSpanReader fields, string what) =>
        new(BinaryPrimitives.ReadUInt128BigEndian(PackFormat.ReadFixed(ref fields, what, 16)));
}
