using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>Decodes sections in the order of the packs and hands out their pages. Several threads run one distribution; each takes the next
/// section.</summary>
internal sealed class PageDistribution(
    SectionReader reader, IReadOnlyList<SectionRef> sections, SectionUses uses, ExtentHandler handler, IProgress<long>? progress)
{
    private int _next = -1;
    private long _done;

    public void Run(CancellationToken cancellation)
    {
        using var buffers = new NativeBufferPool(Paging.SectionSize, 0);
        using var content = buffers.Rent();
        var packed = GC.AllocateUninitializedArray<byte>(Paging.ExtentSize);
        for (int index; (index = Interlocked.Increment(ref _next)) < uses.Order.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            var section = uses.Order[index];
            var head = reader.Read(sections[section], SectionKind.Pages, content.Span);
            long octets = 0;
            foreach (var use in uses.Of(section))
            {
                var pages = Pages(head, content.Span, use.Entry, packed);
                handler(use.Block, new ExtentPages(use.Extent, use.Entry.Mask, 0), pages);
                octets += pages.Length;
            }
            progress?.Report(Interlocked.Add(ref _done, octets));
        }
    }

    private static ReadOnlySpan<byte> Pages(in SectionHead head, ReadOnlySpan<byte> content, ManifestEntry entry, Span<byte> packed)
    {
        var octets = System.Numerics.BitOperations.PopCount(entry.Mask) * Paging.PageSize;
        // An extent that is wanted whole lies there as it is wanted.
        if (ExtentCopy.Check(head, entry) == entry.Mask) return content.Slice(head.PagesBefore(entry.Ordinal) * Paging.PageSize, octets);
        ExtentCopy.Pages(head, content, entry, entry.Mask, packed);
        return packed[..octets];
    }
}
