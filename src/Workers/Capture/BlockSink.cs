using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Capture;

/// <summary>The sink of one RAM block: its page hashes, and the way into the graph.</summary>
internal sealed class BlockSink(CaptureGraph graph, int number, PageHashTable hashes) : IUnitSink, IDisposable
{
    private Action<long> _written = static _ => { };
    private uint _pass;

    /// <summary>Number of the block in the guest's description.</summary>
    public int Number => number;

    /// <summary>An execution of the unit begins.</summary>
    public void Begin(uint pass, Action<long> written)
    {
        _pass = pass;
        _written = written;
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
            foreach (var extent in chunk.Extents) looked += extent.ZeroCount;
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
}
