using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>Takes the memory of a saved guest, block after block, page after page.</summary>
internal interface ISavedMemory
{
    /// <summary>The next block begins.</summary>
    void AddBlock(RamBlock block);

    /// <summary>The next page of the block in hand.</summary>
    /// <param name="offset">Octets into the block.</param>
    /// <param name="page">One page, valid during the call.</param>
    /// <param name="isZero">True when it is all zero.</param>
    void AddPage(long offset, ReadOnlySpan<byte> page, bool isZero);
}
