using Cutpoint.Guests;

namespace Cutpoint.Units;

/// <summary>
/// Where a unit puts its state while it is executed. RAM goes in chunks of pages, anything else as octets in order.
/// Calls of one unit that could name the same page must not overlap; a unit may otherwise emit disjoint shards side by side.
/// </summary>
public interface IUnitSink
{
    /// <summary>Waits for the credit to read one section's worth of pages; an empty chunk for this unit and pass.</summary>
    ValueTask<PageChunk> RentAsync(CancellationToken cancellation);

    /// <summary>
    /// Which pages of an extent differ from what this unit emitted last (never emitted counts as all zero). Concludes from the memory in place, so the caller
    /// must own the memory or the guest must be stopped.
    /// </summary>
    /// <param name="extent">Number of the extent.</param>
    /// <param name="pages">The extent's octets; shorter for the last extent of a block.</param>
    ExtentPages Compare(int extent, ReadOnlySpan<byte> pages);

    /// <summary>
    /// Emits pages. The sink takes ownership of the chunk, drops pages equal to what it has, recognises zero pages, and hashes the octets it will store.
    /// Returns when the chunk is queued, not when it is durable.
    /// </summary>
    ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation);

    /// <summary>Emits the next piece of a unit's other state. The octets are copied before the call returns.</summary>
    ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation);
}
