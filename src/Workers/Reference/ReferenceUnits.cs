using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Reference;

/// <summary>The callbacks of a reference guest's units: how its RAM blocks and devices save and load themselves.</summary>
internal static class ReferenceUnits
{
    /// <summary>Extents a shard has at least: fewer are read faster than they are handed out.</summary>
    private const int ShardExtents = 256;

    /// <summary>A RAM block: everything in the first execution of a capture, then what was written since.</summary>
    public static UnitCallbacks Ram(ReferenceGuest guest, int block, ReferenceMemory memory) => new()
    {
        LivePrepare = (_, _) =>
        {
            if (block > 0) return default;
            if (!guest.IsCaptured) guest.BeginReading();
            guest.Reader.BeginVotes();
            return default;
        },
        LiveExecute = async (context, pass, cancellation) =>
        {
            await EmitAsync(guest, block, memory, context.Sink, pass, cancellation).ConfigureAwait(false);
            return LiveOutcome.Continue;
        },
        // The first block answers for all of them: the pause is one.
        LiveVote = block > 0 ? null : (context, pass, _) => new(guest.Reader.Decide(context, pass)),
        SavePrepare = (context, _) =>
        {
            if (!context.IsLive && block == 0) guest.BeginReading();
            return default;
        },
        SaveExecute = async (context, cancellation) =>
            await EmitAsync(guest, block, memory, context.Sink, UnitRegistration.FinalPass, cancellation).ConfigureAwait(false),
        LoadPrepare = (_, _) =>
        {
            guest.Change(memory.Clear);
            return default;
        },
        LoadExecute = (context, version, _, cancellation) => LoadAsync(guest, memory, context, version, cancellation),
    };

    /// <summary>A device: a few octets in the final pass.</summary>
    /// <param name="size">Octets of its state.</param>
    /// <param name="save">Its state at the stop.</param>
    /// <param name="load">Puts a state in.</param>
    public static UnitCallbacks Device(int size, Func<byte[]> save, Action<byte[]> load) => new()
    {
        SaveExecute = (context, cancellation) => context.Sink.WriteAsync(save(), cancellation),
        LoadExecute = async (context, version, _, cancellation) =>
        {
            CheckVersion(context, version);
            var state = new byte[size];
            var used = 0;
            while (used < size)
            {
                var count = await context.Source.ReadAsync(state.AsMemory(used), cancellation).ConfigureAwait(false);
                if (count == 0) throw new UnitException(SavedStateStatus.LoadedTooMuch, $"unit {context.Unit.Key}: {used} octets of state, {size} are due");
                used += count;
            }
            load(state);
        },
    };

    private static async Task EmitAsync(
        ReferenceGuest guest, int block, ReferenceMemory memory, IUnitSink sink, uint pass, CancellationToken cancellation)
    {
        var reader = guest.Reader;
        reader.Begin();
        var all = !reader.HasWhole(block);
        var extents = memory.Block.ExtentCount;
        var shards = Math.Clamp(extents / ShardExtents, 1, Environment.ProcessorCount);
        await Parallel.ForAsync(0, shards, cancellation, async (shard, token) =>
        {
            var (at, end) = ((int)((long)extents * shard / shards), (int)((long)extents * (shard + 1) / shards));
            while (at < end) at = await EmitChunkAsync(guest, block, memory, sink, pass, all, at, end, token).ConfigureAwait(false);
        }).ConfigureAwait(false);
        reader.GotWhole(block);
    }

    /// <summary>Emits the next chunk of a shard and says where the next one begins.</summary>
    private static async ValueTask<int> EmitChunkAsync(
        ReferenceGuest guest, int block, ReferenceMemory memory, IUnitSink sink, uint pass, bool all, int at, int end, CancellationToken cancellation)
    {
        if (!all)
        {
            while (at < end && memory.IsClean(at)) at++;
            if (at == end) return end;
        }
        var chunk = await sink.RentAsync(cancellation).ConfigureAwait(false);
        var taken = new List<ExtentPages>(Paging.ExtentsPerSection);
        var isOurs = true;
        try
        {
            var began = guest.Time.GetTimestamp();
            chunk.Reset(block, pass);
            for (; at < end && chunk.ExtentCount < Paging.ExtentsPerSection; at++)
            {
                var dirty = memory.TakeDirty(at);
                var due = all ? memory.PagesOf(at) : dirty;
                if (due == 0) continue;
                taken.Add(new ExtentPages(at, due, 0));
                chunk.Add(memory.Read(at, due, guest.RunsDuringFinalPass, chunk.Buffer[(chunk.PageCount * Paging.PageSize)..]));
            }
            guest.Reader.Count(chunk.PageCount, began);
            isOurs = false;
            await sink.EmitAsync(chunk, cancellation).ConfigureAwait(false);
        }
        catch (Exception)
        {
            if (isOurs) chunk.Dispose();
            // They did not arrive: another pass, or another attempt of the cut, has to read them.
            foreach (var extent in taken) memory.PutBackDirty(extent.Extent, extent.Present);
            throw;
        }
        return at;
    }

    private static async ValueTask LoadAsync(
        ReferenceGuest guest, ReferenceMemory memory, LoadContext context, uint version, CancellationToken cancellation)
    {
        CheckVersion(context, version);
        while (await context.Source.ReadPagesAsync(cancellation).ConfigureAwait(false) is { } chunk)
        {
            using (chunk) guest.Change(() => Load(memory, chunk, context.Unit.Key));
        }
    }

    private static void Load(ReferenceMemory memory, PageChunk chunk, UnitKey unit)
    {
        var pages = chunk.Pages;
        var at = 0;
        foreach (var extent in chunk.Extents)
        {
            for (var bit = 0; bit < Paging.PagesPerExtent; bit++)
            {
                var isPresent = (extent.Present >> bit & 1) != 0;
                if (!isPresent && (extent.Zero >> bit & 1) == 0) continue;
                var page = ((long)extent.Extent * Paging.PagesPerExtent) + bit;
                if (page >= memory.Block.PageCount)
                    throw new UnitException(SavedStateStatus.LoadMemorySizeMismatch, $"unit {unit}: page {page} lies behind the {memory.Block.PageCount} pages of the block");
                if (!isPresent)
                {
                    memory.Set(page, PageContent.Zero);
                    continue;
                }
                memory.Set(page, pages.Slice(at, Paging.PageSize));
                at += Paging.PageSize;
            }
        }
    }

    private static void CheckVersion(LoadContext context, uint version)
    {
        if (version == context.Unit.Version) return;
        throw new UnitException(
            SavedStateStatus.UnsupportedUnitVersion,
            $"unit {context.Unit.Key}: its state has version {version}, this guest knows {context.Unit.Version}",
            "restore it with the release that saved it");
    }
}
