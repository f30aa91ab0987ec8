using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>Takes the hashes of pages of one extent. Called one at a time; an extent may come in several calls with disjoint
/// masks.</summary>
/// <param name="block">Number of the RAM block.</param>
/// <param name="pages">Which pages; only <see cref="ExtentPages.Present"/> is set.</param>
/// <param name="hashes">One hash for each page, in order, made with the repository's <see cref="DirectoryRepository.Hasher"/>. Valid during
/// the call only.</param>
public delegate void PageHashHandler(int block, ExtentPages pages, ReadOnlySpan<UInt128> hashes);
