using Cutpoint.Compression;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Fuzz.Targets;

/// <summary>Packs as the repository writes them, and the values they consist of. The same on every run: ids, times and contents are fixed.</summary>
internal static class GoldenRepository
{
    private static readonly Lazy<byte[]> LazyPack = new(() => WritePack(withPages: true));
    private static readonly Lazy<byte[]> LazySmallPack = new(() => WritePack(withPages: false));

    public static Ulid Id { get; } = new(UInt128.Parse("2135890432109876543210", System.Globalization.CultureInfo.InvariantCulture));

    public static PackId PackId { get; } = new(Id, 1);

    /// <summary>A pack with pages in every codec, states, a manifest, a commit record and the index.</summary>
    public static byte[] Pack => LazyPack.Value;

    /// <summary>The same without pages.</summary>
    public static byte[] SmallPack => LazySmallPack.Value;

    /// <summary>The values of a pack.</summary>
    public static IEnumerable<byte[]> Values(byte[] pack)
    {
        for (var at = 0; at < pack.Length;)
        {
            if (!BerHeader.TryRead(pack.AsSpan(at), out var header)) throw new InvalidOperationException("the pack is not a sequence of values");
            yield return pack[at..(at + (int)header.TotalLength)];
            at += (int)header.TotalLength;
        }
    }

    private static byte[] WritePack(bool withPages)
    {
        RamBlock[] blocks = [new("pc.ram", 70 * Paging.PageSize)];
        using var pool = new PageChunkPool(1);
        var pack = new List<byte>(new PackHeader(Id, PackId).Write());
        var entries = new List<PackEntry>();
        var builder = new GuestManifestBuilder("guest", blocks)
        {
            Description = new GuestDescription { Driver = "model", Name = "guest", Uri = "model:guest", Blocks = blocks, WasRunning = true },
            Record = """{"passes":1}""",
        };
        foreach (var codec in (string[])["zstd", "lz4", "none"])
        {
            using var encoder = new SectionEncoder(Codec.Parse(codec));
            if (withPages)
            {
                using var section = encoder.Encode(TwoPages(pool));
                Add(section.Value, PackFormat.SectionTag, section.Identity);
            }

            using var state = encoder.Encode("the state of a device "u8);
            Add(state.Value, PackFormat.SectionTag, state.Identity);
        }

        builder.Apply(0, [new ExtentPages(0, 0xff, 0), new ExtentPages(1, 3, 0)], builder.Number(Place(0), false));
        builder.Apply(0, [new ExtentPages(0, 0xf0, 0)], builder.Number(Place(1), false));
        builder.Apply(new DeviceInfo(new Units.UnitKey("d", 1), 2, 100, 0) { StateSections = [builder.Number(Place(2), false)] });
        var placement = new Placement("guest", blocks[0].Name, blocks[0].Length, entries[0].Digest, [new ExtentPages(0, 1, 2), new ExtentPages(1, 3, 0)]);
        Add(PlacementFormat.Write([placement, placement with { Section = default }], out var placed), PackFormat.PlacementTag, placed);
        Add(ManifestFormat.Write(builder.Build(out _, out _), out var root), PackFormat.ManifestTag, root);
        var info = new CheckpointInfo(
            Id, "name", DateTimeOffset.UnixEpoch, default, new Dictionary<string, string> { ["a"] = "b" }, [new GuestInfo("guest", root, 1, 2, 3, 4)]);
        Add(CommitFormat.Write(info, "{}", out var digest), PackFormat.CommitTag, digest);
        pack.AddRange(PackIndex.Write(entries));
        return [.. pack];

        void Add(ReadOnlySpan<byte> value, BerTag tag, Digest identity)
        {
            entries.Add(new PackEntry(tag, identity, pack.Count, value.Length));
            pack.AddRange(value);
        }

        SectionRef Place(int entry) => new(entries[entry].Digest, PackId, entries[entry].Offset, entries[entry].Length);
    }

    private static PageChunk TwoPages(PageChunkPool pool)
    {
        var chunk = pool.TryRent()!;
        chunk.Reset(0, 0);
        new Random(1).NextBytes(chunk.Buffer[..64]);
        chunk.Buffer[64..Paging.PageSize].Clear();
        chunk.Buffer.Slice(Paging.PageSize, Paging.PageSize).Fill(7);
        chunk.Add(new ExtentPages(0, 0b101, 0b010));
        chunk.Hashes.Fill(UInt128.One);
        return chunk;
    }
}
