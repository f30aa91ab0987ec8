using System.Buffers.Binary;
using System.Security.Cryptography;
using Cutpoint.Repository;

namespace Cutpoint.Fuzz.Targets;

/// <summary>
/// The catalog of an encrypted repository: frames, image of the database, changes of it, and all that is asked of a catalog. The inputs are not encrypted yet:
/// they are changed in the clear and sealed then, so that SQLite meets them as if they were those of somebody who has the key. Only the image is met changed:
/// SQLite's own reader of recorded changes is no parser for what others may have made, and never sees what does not open.
/// </summary>
public sealed class SealedCatalogTarget : FuzzTarget
{
    private const int SaltLength = 16;
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const int FrameLength = 2 * sizeof(uint);
    private const int UnsealedOneIn = 8;

    private static readonly DataKey Key = new(GoldenRepository.Id, new byte[DataKey.Length]);

    [ThreadStatic]
    private static ScratchDirectory? _scratch;

    private readonly HashSet<Digest> _changes = [];

    public override string Name => "sealed-catalog";

    // A record that is torn off was never told to be written.
    public override bool DetectsTruncation => false;

    /// <summary>The file is the catalog's, and so is the error; a place in a database means nothing to anybody.</summary>
    public override bool HasOffsets => false;

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0, 0, 0, 28, 0xff, 0xff, 0xff, 0xe3], [0x7f, 0xff, 0xff, 0xff, 0x80, 0, 0, 0], "T"u8.ToArray(), [0x12, 0], [0x09, 0], [0x17, 0], [0x0d], [0x05], [0x0a], [0x02], [0xff, 0xff, 0xff, 0xff], [0, 0]];

    private static ReadOnlySpan<byte> Magic => "cutpoint catalog"u8;

    /// <summary>Statements and rows as objects, beside every record.</summary>
    public override long AllocationLimit(int length) => (8L << 20) + (64L * length);

    public override void Seal(byte[] octets, Random random)
    {
        var start = Magic.Length + SaltLength;
        if (octets.Length < start) return;
        if (random.Next(UnsealedOneIn) > 0) Magic.CopyTo(octets);
        using var cipher = new AesGcm(Key.Derive("catalog", octets.AsSpan(Magic.Length, SaltLength)), TagLength);
        Span<byte> number = stackalloc byte[sizeof(long)];
        for (long at = start, record = 0; at <= octets.Length - FrameLength - NonceLength - TagLength; record++)
        {
            var rest = octets.AsSpan((int)at);
            long size = BinaryPrimitives.ReadUInt32BigEndian(rest);
            if (size < NonceLength + TagLength || size > rest.Length - FrameLength)
            {
                if (random.Next(2) == 0) return;
                size = rest.Length - FrameLength;
                BinaryPrimitives.WriteUInt32BigEndian(rest, (uint)size);
            }
            at += FrameLength + size;
            if (random.Next(UnsealedOneIn) == 0) continue;
            BinaryPrimitives.WriteUInt32BigEndian(rest[sizeof(uint)..], ~(uint)size);
            BinaryPrimitives.WriteInt64BigEndian(number, record);
            var contents = rest.Slice(FrameLength, (int)size);
            var plain = contents[NonceLength..^TagLength];
            if (record > 0 && !_changes.Contains(Sha256.Of(plain))) continue;
            cipher.Encrypt(contents[..NonceLength], plain, plain, contents[^TagLength..], number);
        }
    }

    public override void Read(byte[] octets, Random random)
    {
        var path = (_scratch ??= new ScratchDirectory()).Put(octets);
        using var catalog = new Catalog(SqliteCatalog.Open(path, Key, isReadOnly: random.Next(2) == 0));
        if (random.Next(4) == 0) catalog.Check();
        foreach (var checkpoint in catalog.List())
        {
            catalog.FindCommit(checkpoint.Id);
            catalog.Packs(checkpoint.Id);
            foreach (var guest in checkpoint.Guests) catalog.FindManifest(checkpoint.Id, guest.Name);
        }
        foreach (var pack in catalog.Packs().Keys)
        {
            foreach (var entry in catalog.Entries(pack)) catalog.Find(entry.Digest);
        }
        catalog.Verified();
        catalog.Compactable([]);
        catalog.RemoveUnusedPacks(dryRun: true, []);
        foreach (var job in catalog.PinningJobs()) catalog.Unpin(job);
        catalog.NoteVerified(GoldenRepository.PackId, DateTimeOffset.UnixEpoch);
        if (random.Next(2) == 0) catalog.Remove(GoldenRepository.Id);
    }

    protected override IEnumerable<byte[]> Golden()
    {
        using var scratch = new ScratchDirectory();
        var path = scratch.Put([]);
        File.Delete(path);
        using (var catalog = new Catalog(SqliteCatalog.Open(path, Key, create: true)))
        using (var owner = new Owner())
        {
            var root = Sha256.Of("root"u8);
            PackEntry[] entries =
            [
                .. Enumerable.Range(0, 3).Select(number => new PackEntry(PackFormat.SectionTag, Sha256.Of([(byte)number]), 100 + (number * 50), 50)),
                new(PackFormat.ManifestTag, root, 250, 60), new(PackFormat.CommitTag, root, 310, 40),
            ];
            var info = new CheckpointInfo(
                GoldenRepository.Id, "name", DateTimeOffset.UnixEpoch, root, new Dictionary<string, string> { ["a"] = "b" }, [new GuestInfo("guest", root, 1, 2, 3, 4)]);
            catalog.Commit(
                [new CatalogPack(GoldenRepository.PackId, 400, entries)],
                [new CatalogCommit(info, entries[4].In(GoldenRepository.PackId), [entries[3].In(GoldenRepository.PackId)], [.. entries[..3].Select(entry => entry.Digest)])],
                owner);
            catalog.FindAndPin(entries[0].Digest, GoldenRepository.Id);
            catalog.NoteVerified(GoldenRepository.PackId, DateTimeOffset.UnixEpoch);
        }
        using var file = new SealedCatalogFile(path, Key);
        var records = file.ReadNew(out _);
        foreach (var change in records.Skip(1)) _changes.Add(Sha256.Of(change));
        yield return Unsealed(records);
        yield return Unsealed(records[..1]);
    }

    /// <summary>The file of these records as it would be encrypted, but for that.</summary>
    private static byte[] Unsealed(IEnumerable<byte[]> records) =>
        [.. Magic, .. new byte[SaltLength], .. records.SelectMany((record, number) =>
        {
            var framed = new byte[FrameLength + NonceLength + record.Length + TagLength];
            BinaryPrimitives.WriteInt32BigEndian(framed, framed.Length - FrameLength);
            BinaryPrimitives.WriteInt32BigEndian(framed.AsSpan(sizeof(int)), ~(framed.Length - FrameLength));
            framed[FrameLength] = (byte)number;
            record.CopyTo(framed, FrameLength + NonceLength);
            return framed;
        })];

    /// <summary>A job that nobody takes over.</summary>
    private sealed class Owner() : JobRegistration(GoldenRepository.Id, "")
    {
        public override void Keep()
        {
        }

        public override void Leave()
        {
        }

        public override void Dispose()
        {
        }
    }

    /// <summary>A directory for a catalog and its lock, of one thread, for as long as it lives.</summary>
    private sealed class ScratchDirectory : IDisposable
    {
        private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-fuzz-").FullName;

        public ScratchDirectory() => AppDomain.CurrentDomain.ProcessExit += (_, _) => Dispose();

        /// <summary>Makes octets the catalog's file.</summary>
        public string Put(byte[] octets)
        {
            var path = Path.Combine(_directory, SealedCatalogFile.FileName);
            File.WriteAllBytes(path, octets);
            return path;
        }

        public void Dispose()
        {
            if (Directory.Exists(_directory)) Directory.Delete(_directory, recursive: true);
        }
    }
}
