using Cutpoint.Units;

namespace Cutpoint.Guests;

/// <summary>What a capture sees of the data way behind its units. Safe for concurrent use.</summary>
public interface ICaptureSinks
{
    /// <summary>
    /// The sink of a RAM block. A transport that receives pages in the machine's order emits into these side by side; one that reads blocks itself uses the
    /// sink its unit is called with, which is the same.
    /// </summary>
    /// <param name="block">Number of the block in the guest's description.</param>
    IUnitSink Block(int block);

    /// <summary>Octets of guest pages per second the sink takes lately, or null before it took any.</summary>
    double? SinkBytesPerSecond { get; }

    /// <summary>Octets of pages the final pass may emit without waiting for the sink.</summary>
    long CutBufferBytes { get; }

    /// <summary>Says how many octets of pages the final pass is expected to emit, so that its buffer is ready. The last word before the stop counts.</summary>
    void Expect(long octets);
}
