using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>Copies pages of a decoded section to where they are wanted, run by run.</summary>
internal static class ExtentCopy
{
    /// <summary>Copies the pages of an entry into an extent whose present pages are packed one behind the other.</summary>
    /// <param name="head">Head of the section.</param>
    /// <param name="content">The section's content.</param>
    /// <param name="entry">Which extent of the section, and which of its pages.</param>
    /// <param name="present">All pages of the packed extent.</param>
    /// <param name="destination">The packed extent.</param>
    public static void Pages(in SectionHead head, ReadOnlySpan<byte> content, ManifestEntry entry, ulong present, Span<byte> destination)
    {
        var stored = Check(head, entry);
        var source = head.PagesBefore(entry.Ordinal);
        for (var mask = entry.Mask; mask != 0;)
        {
            var page = BitOperations.TrailingZeroCount(mask);
            var run = BitOperations.TrailingZeroCount(~(mask >> page));
            var below = (1UL << page) - 1;
            var from = source + BitOperations.PopCount(stored & below);
            var to = BitOperations.PopCount(present & below);
            content.Slice(from * Paging.PageSize, run * Paging.PageSize).CopyTo(destination[(to * Paging.PageSize)..]);
            mask = run + page == 64 ? 0 : mask & (ulong.MaxValue << (page + run));
        }
    }

    /// <summary>The pages the section has in an entry's extent, which must be at least those the entry names.</summary>
    public static ulong Check(in SectionHead head, ManifestEntry entry)
    {
        var stored = entry.Ordinal < head.MaskCount ? head.Mask(entry.Ordinal) : 0;
        if ((entry.Mask & ~stored) == 0) return stored;
        throw new SnapshotException(
            ErrorCode.VerificationFailed, $"the manifest names pages that section {head.Identity} does not hold",
            "run 'cutpoint verify' to see which checkpoints are hit");
    }
}
