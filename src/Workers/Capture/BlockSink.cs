using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Capture;

/// <summary>The sink of one RAM block: its page hashes, and the way into the graph.</summary>
internal sealed class BlockSink(CaptureGraph graph, int number, PageHashTable hashes) : IUnitSink, IDisposable
{
    private Action<long> _written = static _ => { };
    private uint _pass;
    private ulong[]? _unseen;

    /// <summary>Number of the block in the guest's description.</summary>
    public int Number => number;

    /// <summary>An execution of the unit begins.</summary>
    public void Begin(uint pass, Action<long> written)
    {
        _pass = pass;
        _written = written;
    }

    /// <summary>Takes the hashes of pages that are stored already. Before anything is emitted.</summary>
    public void Know(ExtentPages pages, ReadOnlySpan<UInt128> stored)
    {
        _unseen ??= new ulong[hashes.ExtentCount];
        var known = hashes.Extent(pages.Extent);
        var next = 0;
        for (var rest = pages.Present; rest != 0; rest &= rest - 1) known[System.Numerics.BitOperations.TrailingZeroCount(rest)] = stored[next++];
        _unseen[pages.Extent] |= pages.Present;
    }

    /// <summary>
    /// Makes zeros of the known pages this capture never looked at. What is known of a page is a hint until then: a hole of a file, or a page the guest has
    /// given back, is named by nobody, and without this it would keep what the base has there. After the final pass.
    /// </summary>
    public async ValueTask ForgetUnseenAsync(CancellationToken cancellation)
    {
        if (_unseen is not { } unseen) return;
        PageChunk? chunk = null;
        try
        {
            for (var extent = 0; extent < unseen.Length; extent++)
            {
                if (unseen[extent] == 0) continue;
                chunk ??= await RentAsync(cancellation).ConfigureAwait(false);
                chunk.Add(new ExtentPages(extent, 0, unseen[extent]));
                if (chunk.ExtentCount == Paging.ExtentsPerSection) await EmitAsync(Take(ref chunk), cancellation).ConfigureAwait(false);
            }
            if (chunk is not null) await EmitAsync(Take(ref chunk), cancellation).ConfigureAwait(false);
        }
        finally
        {
            chunk?.Dispose();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<PageChunk> RentAsync(CancellationToken cancellation)
    {
        var chunk = await graph.RentAsync(cancellation).ConfigureAwait(false);
        chunk.Reset(number, _pass);
        return chunk;
    }

    /// <inheritdoc/>
    public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages)
    {
        var known = hashes.Extent(extent);
        graph.Count(known.Length);
        if (_unseen is { } unseen) unseen[extent] = 0;
        return graph.Classifier.Compare(extent, pages, known);
    }

    /// <inheritdoc/>
    public ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation)
    {
        (int Changed, int Zeroed) pages;
        try
        {
            if (chunk.Block != number) throw new ArgumentException($"the chunk is of block {chunk.Block}, the sink of block {number}", nameof(chunk));
            var looked = chunk.PageCount;
            foreach (var extent in chunk.Extents)
            {
                looked += extent.ZeroCount;
                if (_unseen is { } unseen) unseen[extent.Extent] &= ~(extent.Present | extent.Zero);
            }
            graph.Count(looked);
            pages = graph.Classifier.Classify(chunk, hashes);
            _written((long)pages.Changed * Paging.PageSize);
        }
        catch
        {
            chunk.Dispose();
            throw;
        }
        return graph.AddAsync(chunk, pages, cancellation);
    }

    /// <inheritdoc/>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation) =>
        throw new NotSupportedException("a RAM block has pages and no other state");

    public void Dispose() => hashes.Dispose();

    private static PageChunk Take(ref PageChunk? chunk)
    {
        var taken = chunk!;
        chunk = null;
        return taken;
    }
}
