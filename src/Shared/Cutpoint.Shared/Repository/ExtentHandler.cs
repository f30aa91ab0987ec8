using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Takes pages of one extent. Called concurrently; an extent may come in several calls with disjoint masks.
/// </summary>
/// <param name="block">Number of the RAM block.</param>
/// <param name="pages">Which pages; only <see cref="ExtentPages.Present"/> is set.</param>
/// <param name="octets">The octets of the pages, packed in order. Valid during the call only.</param>
public delegate void ExtentHandler(int block, ExtentPages pages, ReadOnlySpan<byte> octets);
