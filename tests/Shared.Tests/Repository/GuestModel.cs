using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Repository;

/// <summary>A guest as an array of octets per RAM block, which is written to a repository in passes and compared with what comes
/// back.</summary>
internal sealed class GuestModel(int seed, params RamBlock[] blocks) : IDisposable
{
    private readonly Random _random = new(seed);
    private readonly PageChunkPool _pool = new(4);

    public RamBlock[] Blocks { get; } = blocks;

    public byte[][] Memory { get; } = [.. blocks.Select(block => new byte[block.Length])];

    public string Name { get; init; } = "guest";

    public GuestDescription Description =>
        new() { Driver = "model", Name = Name, Uri = "model:" + Name, Blocks = Blocks, WasRunning = true };

    public void FillPage(int block, int page, bool compressible = false)
    {
        var octets = Memory[block].AsSpan(page * Paging.PageSize, Paging.PageSize);
        _random.NextBytes(octets);
        if (compressible) octets[64..].Clear();
        octets[0] |= 1;
    }

    public void ClearPage(int block, int page) => Memory[block].AsSpan(page * Paging.PageSize, Paging.PageSize).Clear();

    /// <summary>Fills about so many of every hundred pages.</summary>
    public GuestModel Fill(int percent)
    {
        for (var block = 0; block < Blocks.Length; block++)
        {
            for (var page = 0; page < Blocks[block].PageCount; page++)
            {
                if (_random.Next(100) < percent) FillPage(block, page, _random.Next(2) == 0);
            }
        }
        return this;
    }

    /// <summary>A chunk with the pages of some extents as they are now.</summary>
    public PageChunk Chunk(DirectoryRepository repository, int block, params ReadOnlySpan<(int Extent, ulong Pages)> extents)
    {
        var chunk = _pool.TryRent()!;
        chunk.Reset(block, 0);
        foreach (var (extent, pages) in extents)
        {
            ulong present = 0, zero = 0;
            var at = chunk.PageCount * Paging.PageSize;
            for (var page = 0; page < Paging.PagesPerExtent; page++)
            {
                if ((pages & (1UL << page)) == 0) continue;
                var octets = Memory[block].AsSpan((extent * Paging.ExtentSize) + (page * Paging.PageSize), Paging.PageSize);
                if (ZeroPages.IsZero(octets))
                {
                    zero |= 1UL << page;
                    continue;
                }
                present |= 1UL << page;
                octets.CopyTo(chunk.Buffer[at..]);
                at += Paging.PageSize;
            }
            chunk.Add(new ExtentPages(extent, present, zero));
        }
        repository.Hasher.Hash(chunk.Pages, chunk.Hashes);
        return chunk;
    }

    /// <summary>Every page of every block, as a full pass has them.</summary>
    public Task WriteAllAsync(DirectoryRepository repository, CheckpointWriter writer, GuestManifestBuilder guest) =>
        WriteAllAsync(repository, new CheckpointGuestStore(writer, guest, repository.Hasher));

    /// <summary>Every page of every block, as a full pass has them.</summary>
    public async Task WriteAllAsync(DirectoryRepository repository, IGuestStore store)
    {
        for (var block = 0; block < Blocks.Length; block++)
        {
            for (var extent = 0; extent < Blocks[block].ExtentCount; extent += Paging.ExtentsPerSection)
            {
                var extents = Enumerable.Range(extent, Math.Min(Paging.ExtentsPerSection, Blocks[block].ExtentCount - extent))
                    .Select(number => (number, AllPages(block, number))).ToArray();
                await store.AppendAsync(store.Encode(Chunk(repository, block, extents)), default);
            }
        }
    }

    public ulong AllPages(int block, int extent)
    {
        var pages = Blocks[block].PageCount - (extent * Paging.PagesPerExtent);
        return pages >= 64 ? ulong.MaxValue : (1UL << (int)pages) - 1;
    }

    /// <summary>A committed checkpoint of the guest as it is now.</summary>
    public async Task<CheckpointInfo> TakeAsync(
        DirectoryRepository repository, CheckpointOptions? options = null, GuestReader? based = null)
    {
        await using var writer = await repository.BeginAsync(options ?? new CheckpointOptions(), default);
        var guest = based is null ? await writer.AddGuestAsync(Name, Blocks, default) : await writer.AddGuestAsync(
            Name, Blocks, based, default);
        guest.Description = Description;
        guest.Record = """{"passes":1}""";
        await WriteAllAsync(repository, writer, guest);
        var cpu = new DeviceState(new UnitKey("cpu", 0), 12, "cpu state"u8.ToArray(), """{"name":"cpu"}"""u8.ToArray());
        await writer.AppendAsync(guest, cpu, default);
        await writer.AppendAsync(guest, new DeviceState(new UnitKey("timer", 1), 3, new byte[] { 1, 2, 3 }), default);
        return await writer.CommitAsync(default);
    }

    /// <summary>Fails unless a stored guest has exactly the memory of this one, by every way there is to read it.</summary>
    public async Task AssertEqualAsync(GuestReader stored)
    {
        var bulk = Blocks.Select(block => new byte[block.Length]).ToArray();
        await stored.ReadPagesAsync(
            (block, pages, octets) =>
            {
                for (var page = 0; page < 64; page++)
                {
                    if ((pages.Present & (1UL << page)) == 0) continue;
                    octets[..Paging.PageSize].CopyTo(bulk[block].AsSpan((pages.Extent * Paging.ExtentSize) + (page * Paging.PageSize)));
                    octets = octets[Paging.PageSize..];
                }
                Assert.True(octets.IsEmpty);
            },
            2,
            null,
            default);
        var ordered = Blocks.Select(block => new byte[block.Length]).ToArray();
        ordered.AsSpan().ToArray().ToList().ForEach(block => Array.Fill(block, (byte)0xcc));
        await foreach (var chunk in stored.ReadInOrderAsync(
            Blocks.Select((block, index) => new BlockRange(index, 0, block.Length)), 3, default))
        {
            using (chunk) Unpack(chunk, ordered[chunk.Block]);
        }
        for (var block = 0; block < Blocks.Length; block++)
        {
            Assert.True(Memory[block].AsSpan().SequenceEqual(bulk[block]), $"block {block} in the order of the packs");
            Assert.True(Memory[block].AsSpan().SequenceEqual(ordered[block]), $"block {block} in the order of addresses");
            var random = new byte[Blocks[block].Length];
            await stored.ReadAsync(block, 0, random, default);
            Assert.True(Memory[block].AsSpan().SequenceEqual(random), $"block {block} at random");
        }
    }

    public static void Unpack(PageChunk chunk, byte[] memory)
    {
        var octets = chunk.Pages;
        foreach (var extent in chunk.Extents)
        {
            for (var page = 0; page < 64; page++)
            {
                var there = (extent.Extent * Paging.ExtentSize) + (page * Paging.PageSize);
                if ((extent.Present & (1UL << page)) != 0)
                {
                    octets[..Paging.PageSize].CopyTo(memory.AsSpan(there));
                    octets = octets[Paging.PageSize..];
                }
                else if ((extent.Zero & (1UL << page)) != 0)
                {
                    memory.AsSpan(there, Paging.PageSize).Clear();
                }
            }
        }
    }

    public void Dispose() => _pool.Dispose();
}
