using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>Reads the page hashes that are stored with sections; payloads are not read. One caller at a time.</summary>
internal sealed class PageHashReader(SectionReader reader)
{
    private readonly byte[] _head = new byte[PackFile.HeadBufferLength];
    private readonly UInt128[] _hashes = new UInt128[Paging.PagesPerExtent];

    /// <summary>Hands out the hashes of the pages in a section that a manifest names.</summary>
    /// <param name="section">Where it is.</param>
    /// <param name="uses">Which of its pages are whose.</param>
    /// <param name="handler">Takes the hashes.</param>
    /// <exception cref="SnapshotException">The section is missing, its head is damaged, or it lacks such a page; nothing was handed out.</exception>
    public void Read(SectionRef section, ReadOnlySpan<SectionUses.Use> uses, PageHashHandler handler)
    {
        var head = reader.ReadHead(section, _head);
        foreach (var use in uses) ExtentCopy.Check(head, use.Entry);
        foreach (var use in uses)
        {
            var stored = head.Mask(use.Entry.Ordinal);
            var before = head.PagesBefore(use.Entry.Ordinal);
            var count = 0;
            for (var mask = use.Entry.Mask; mask != 0; mask &= mask - 1)
            {
                var below = (1UL << BitOperations.TrailingZeroCount(mask)) - 1;
                _hashes[count++] = head.Hash(_head, before + BitOperations.PopCount(stored & below));
            }
            handler(use.Block, new ExtentPages(use.Extent, use.Entry.Mask, 0), _hashes.AsSpan(0, count));
        }
    }
}
