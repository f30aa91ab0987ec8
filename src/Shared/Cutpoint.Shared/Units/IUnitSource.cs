using Cutpoint.Guests;

namespace Cutpoint.Units;

/// <summary>Where a unit reads one section of its state while it is loaded. One reader at a time.</summary>
public interface IUnitSource
{
    /// <summary>Reads the next octets of the state; 0 at its end.</summary>
    ValueTask<int> ReadAsync(Memory<byte> state, CancellationToken cancellation);

    /// <summary>The next pages of the section, or null at its end. The caller disposes the chunk.</summary>
    ValueTask<PageChunk?> ReadPagesAsync(CancellationToken cancellation);
}
