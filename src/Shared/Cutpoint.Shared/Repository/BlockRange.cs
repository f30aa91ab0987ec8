namespace Cutpoint.Repository;

/// <summary>A run of pages of one RAM block.</summary>
/// <param name="Block">Number of the RAM block.</param>
/// <param name="Offset">Octets into the block; a multiple of the page size.</param>
/// <param name="Length">Octets; a multiple of the page size.</param>
public readonly record struct BlockRange(int Block, long Offset, long Length);
