using System.Numerics;
using System.Runtime.InteropServices;
using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// Reads one shared RAM block in shards side by side: everything, for the first pass; what differs from what was emitted, for later ones; a sample, to
/// tell how much would differ. Extents are handed to the shards in ascending order, 4 MiB at a time, so that sections are full and files are read in runs.
/// One call at a time.
/// </summary>
internal sealed class RamReader : IDisposable
{
    private readonly SharedRam _ram;
    private readonly IDirtyTracker _tracker;
    private readonly PageSet _seen;
    private readonly int _shards;
    private readonly unsafe byte*[] _scratch;
    private uint _samples;

    /// <summary>Creates a reader; nothing is read.</summary>
    public unsafe RamReader(SharedRam ram, IDirtyTracker tracker, int shards)
    {
        _ram = ram;
        _tracker = tracker;
        _shards = shards;
        _seen = new PageSet(ram.ExtentCount);
        _scratch = new byte*[shards];
        DataBytes = FindData().PageCount * Paging.PageSize;
        for (var i = 0; i < shards; i++) _scratch[i] = (byte*)NativeMemory.AlignedAlloc(Paging.ExtentSize, Paging.PageSize);
    }

    /// <summary>Octets the pass under way has to look at.</summary>
    public long PassBytes { get; private set; }

    /// <summary>Octets of the block that are no hole, as of the last pass or the opening.</summary>
    public long DataBytes { get; private set; }

    /// <summary>What the last search for holes has cost, which every pass begins with.</summary>
    public TimeSpan SearchTime { get; private set; }

    /// <summary>Emits every page that is no hole, and zeros for extents that were emitted and are holes now. Right whether the guest runs or not.</summary>
    /// <returns>Pages read.</returns>
    public async Task<long> ReadAllAsync(IUnitSink sink, CancellationToken cancellation)
    {
        _tracker.BeginPass();
        var data = Begin();
        var from = 0;
        await ShardAsync(async (_, token) =>
        {
            var group = new int[Paging.ExtentsPerSection];
            while (Take(data, ref from, group) is var count and > 0)
            {
                var chunk = await sink.RentAsync(token);
                try
                {
                    _tracker.BeforeFirstRead(group[0], group[count - 1]);
                    ReadGroup(chunk, group.AsSpan(0, count));
                }
                catch
                {
                    chunk.Dispose();
                    throw;
                }
                await sink.EmitAsync(chunk, token);
            }
        }, cancellation);
        await EmitHolesAsync(data, sink, cancellation);
        _tracker.EndPass();
        return PassBytes / Paging.PageSize;
    }

    /// <summary>
    /// Emits the pages that differ from what was emitted last. Every extent is copied into a buffer that stays in the processor's cache and compared there,
    /// also of a stopped guest: to map a page for the first time costs more than to copy it, several times more where this host is virtual itself.
    /// </summary>
    /// <returns>Pages that differed.</returns>
    public async Task<long> ReadChangesAsync(IUnitSink sink, CancellationToken cancellation)
    {
        _tracker.BeginPass();
        var data = Begin();
        var named = Named(data);
        PassBytes = named.PageCount * Paging.PageSize;
        var from = 0;
        long dirty = 0;
        await ShardAsync(async (shard, token) =>
        {
            var group = new int[Paging.ExtentsPerSection];
            PageChunk? chunk = null;
            try
            {
                while (Take(named, ref from, group) is var count and > 0)
                {
                    for (var i = 0; i < count; i++)
                    {
                        token.ThrowIfCancellationRequested();
                        var differ = sink.Compare(group[i], Look(group[i], shard));
                        if ((differ.Present | differ.Zero) == 0) continue;
                        Interlocked.Add(ref dirty, differ.PresentCount + differ.ZeroCount);
                        if (chunk is { ExtentCount: Paging.ExtentsPerSection })
                        {
                            var full = chunk;
                            chunk = null;
                            await sink.EmitAsync(full, token);
                        }
                        chunk ??= await sink.RentAsync(token);
                        Gather(chunk, differ, Current(group[i], shard));
                    }
                }
                if (chunk is not null)
                {
                    var last = chunk;
                    chunk = null;
                    await sink.EmitAsync(last, token);
                }
            }
            finally
            {
                chunk?.Dispose();
            }
        }, cancellation);
        await EmitHolesAsync(data, sink, cancellation);
        _tracker.EndPass();
        return dirty;
    }

    /// <summary>
    /// The pages that differ from what was emitted last though the tracker does not say that they have changed since: it has missed them, before the cut or
    /// after it. Right whether the guest runs or not, since the tracker is asked after the look at the pages.
    /// </summary>
    /// <param name="sink">Compares.</param>
    /// <param name="isChosen">Which extents to look at.</param>
    /// <param name="cancellation">Ends the look.</param>
    public async Task<PageSet> FindMissedAsync(IUnitSink sink, Func<int, bool> isChosen, CancellationToken cancellation)
    {
        var missed = new PageSet(_ram.ExtentCount);
        if (_tracker.Pending() is null) return missed;
        var data = _ram.FindData();
        for (var extent = data.Next(0); extent >= 0; extent = data.Next(extent + 1))
        {
            if (!isChosen(extent)) data.Keep(extent, 0);
        }
        var from = 0;
        await ShardAsync((shard, token) =>
        {
            var group = new int[Paging.ExtentsPerSection];
            while (Take(data, ref from, group) is var count and > 0)
            {
                foreach (var extent in group.AsSpan(0, count))
                {
                    token.ThrowIfCancellationRequested();
                    var differ = sink.Compare(extent, Look(extent, shard));
                    missed.Add(extent, differ.Present | differ.Zero);
                }
            }
            return Task.CompletedTask;
        }, cancellation);
        var changed = _tracker.Pending()!;
        // Memory the guest gives back meanwhile is nobody's write.
        var rest = _ram.FindData();
        for (var extent = missed.Next(0); extent >= 0; extent = missed.Next(extent + 1)) missed.Keep(extent, rest[extent] & ~changed[extent]);
        return missed;
    }

    /// <summary>How many pages differ now from what was emitted last: those the tracker tells, or as many as a sample of whole extents spread over the block lets expect.</summary>
    /// <param name="sink">Compares.</param>
    /// <param name="extents">How many extents to look at.</param>
    /// <param name="cancellation">Ends the sampling.</param>
    public async Task<DirtySample> SampleAsync(IUnitSink sink, int extents, CancellationToken cancellation)
    {
        if (_tracker.Pending()?.PageCount is { } told) return new DirtySample(told, _ram.Length / Paging.PageSize, _ram.Length / Paging.PageSize);
        var data = _ram.FindData();
        // Whatever was looked at and becomes a hole later has to be named then.
        _seen.Add(data);
        var all = data.ExtentCount;
        if (all == 0) return new DirtySample(0, 0, 0);
        var stride = Math.Max(1, all / extents);
        var chosen = new List<int>(Math.Min(all, extents + 1));
        // The phase moves from sample to sample, so that a guest that writes in the same stride is not missed each time.
        var phase = (int)(unchecked(_samples++ * 2654435761u) % (uint)stride);
        long pages = 0;
        for (var (extent, n) = (data.Next(0), 0); extent >= 0; extent = data.Next(extent + 1), n++)
        {
            pages += _ram.SizeOf(extent) / Paging.PageSize;
            if (n % stride == phase) chosen.Add(extent);
        }
        long dirty = 0, looked = 0, timed = 0, ticks = 0;
        var next = -1;
        await ShardAsync((shard, token) =>
        {
            var started = default(TimeSpan?);
            for (var i = Interlocked.Increment(ref next); i < chosen.Count; i = Interlocked.Increment(ref next))
            {
                token.ThrowIfCancellationRequested();
                var octets = Look(chosen[i], shard);
                var differ = sink.Compare(chosen[i], octets);
                Interlocked.Add(ref dirty, differ.PresentCount + differ.ZeroCount);
                Interlocked.Add(ref looked, octets.Length / Paging.PageSize);
                // A shard's first extent is not timed: it may be the first ever, and compile.
                if (started is not null) Interlocked.Add(ref timed, octets.Length);
                started ??= Libc.ThreadTime();
            }
            if (started is { } since) Interlocked.Add(ref ticks, (Libc.ThreadTime() - since).Ticks);
            return Task.CompletedTask;
        }, cancellation);
        if (timed > 0 && ticks > 0) _tracker.Observe(timed, TimeSpan.FromTicks(ticks));
        return new DirtySample(dirty, looked, pages);
    }

    public unsafe void Dispose()
    {
        foreach (var buffer in _scratch) NativeMemory.AlignedFree(buffer);
    }

    private PageSet Begin()
    {
        _ram.CheckSize();
        var data = FindData();
        DataBytes = PassBytes = data.PageCount * Paging.PageSize;
        return data;
    }

    /// <summary>What the tracker names, and the pages that were emitted and are holes now, of extents that are not all hole.</summary>
    private PageSet Named(PageSet data)
    {
        var named = new PageSet(_ram.ExtentCount);
        for (var extent = data.Next(0); extent >= 0; extent = data.Next(extent + 1))
            named.Add(extent, (_tracker.MayHaveChanged(extent) & data[extent]) | (_seen[extent] & ~data[extent]));
        return named;
    }

    private PageSet FindData()
    {
        var started = Libc.ThreadTime();
        var data = _ram.FindData();
        SearchTime = Libc.ThreadTime() - started;
        return data;
    }

    /// <summary>The next extents of the set, at most one section's.</summary>
    private static int Take(PageSet data, ref int from, int[] group)
    {
        lock (data)
        {
            var count = 0;
            while (count < group.Length && data.Next(from) is var extent and >= 0)
            {
                group[count++] = extent;
                from = extent + 1;
            }
            return count;
        }
    }

    /// <summary>
    /// Extent by extent, so that pages of zeros are found while they are in the processor's cache, and are overwritten there by what comes next: a guest has
    /// many of them, and they need not go through memory once more.
    /// </summary>
    private void ReadGroup(PageChunk chunk, ReadOnlySpan<int> group)
    {
        foreach (var extent in group)
        {
            var octets = chunk.Buffer.Slice(chunk.PageCount * Paging.PageSize, _ram.SizeOf(extent));
            _ram.Read((long)extent * Paging.ExtentSize, octets);
            ulong present = 0;
            var kept = 0;
            for (var page = 0; page * Paging.PageSize < octets.Length; page++)
            {
                var from = octets.Slice(page * Paging.PageSize, Paging.PageSize);
                if (ZeroPages.IsZero(from)) continue;
                if (kept < page) from.CopyTo(octets[(kept * Paging.PageSize)..]);
                present |= 1UL << page;
                kept++;
            }
            chunk.Add(new ExtentPages(extent, present, _ram.PagesOf(extent) & ~present));
        }
    }

    /// <summary>A copy of an extent as it is now.</summary>
    private ReadOnlySpan<byte> Look(int extent, int shard)
    {
        _ram.Read((long)extent * Paging.ExtentSize, Scratch(shard)[.._ram.SizeOf(extent)]);
        return Current(extent, shard);
    }

    /// <summary>The octets this shard looked at last, again: spans do not live across an await, and a second read could find something else.</summary>
    private ReadOnlySpan<byte> Current(int extent, int shard) => Scratch(shard)[.._ram.SizeOf(extent)];

    private unsafe Span<byte> Scratch(int shard) => new(_scratch[shard], Paging.ExtentSize);

    private static void Gather(PageChunk chunk, ExtentPages differ, ReadOnlySpan<byte> octets)
    {
        var to = chunk.Buffer[(chunk.PageCount * Paging.PageSize)..];
        for (var rest = differ.Present; rest != 0; rest &= rest - 1)
        {
            octets.Slice(BitOperations.TrailingZeroCount(rest) * Paging.PageSize, Paging.PageSize).CopyTo(to);
            to = to[Paging.PageSize..];
        }
        chunk.Add(differ);
    }

    /// <summary>Memory the guest gave back since it was emitted reads as zeros; it is not touched for that.</summary>
    private async Task EmitHolesAsync(PageSet data, IUnitSink sink, CancellationToken cancellation)
    {
        PageChunk? chunk = null;
        try
        {
            for (var extent = _seen.Next(0); extent >= 0; extent = _seen.Next(extent + 1))
            {
                if (data[extent] != 0) continue;
                chunk ??= await sink.RentAsync(cancellation);
                chunk.Add(new ExtentPages(extent, 0, _ram.PagesOf(extent)));
                if (chunk.ExtentCount < Paging.ExtentsPerSection) continue;
                var full = chunk;
                chunk = null;
                await sink.EmitAsync(full, cancellation);
            }
            if (chunk is not null)
            {
                var last = chunk;
                chunk = null;
                await sink.EmitAsync(last, cancellation);
            }
        }
        finally
        {
            chunk?.Dispose();
        }
        _seen.Add(data);
    }

    private Task ShardAsync(Func<int, CancellationToken, Task> shard, CancellationToken cancellation) =>
        Parallel.ForEachAsync(
            Enumerable.Range(0, _shards),
            new ParallelOptions { MaxDegreeOfParallelism = _shards, CancellationToken = cancellation },
            async (i, token) => await shard(i, token));
}
