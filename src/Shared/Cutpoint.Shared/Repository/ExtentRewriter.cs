using Cutpoint.Compression;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Stores extents again that many passes spread over more sections than a manifest takes: their pages are read back from the packs and go
/// into one new section each sixteen extents.
/// </summary>
internal sealed class ExtentRewriter(PageHasher hasher, SectionReader reader, SectionEncoder encoder, Func<EncodedSection, int> store)
{
    public void Rewrite(GuestManifestBuilder guest, CancellationToken cancellation)
    {
        if (guest.Crowded.Count == 0) return;
        using var chunks = new PageChunkPool(1);
        using var sections = new NativeBufferPool(Paging.SectionSize, 1);
        using var content = sections.Rent();
        foreach (var batch in guest.Crowded.GroupBy(place => place.Block).SelectMany(
            block => block.OrderBy(place => place.Extent).Chunk(Paging.ExtentsPerSection)))
        {
            cancellation.ThrowIfCancellationRequested();
            var chunk = chunks.TryRent()!;
            Gather(guest, batch, chunk, content.Span);
            using var section = encoder.Encode(chunk);
            guest.Apply(section.Block, section.Extents, store(section));
        }
    }

    private void Gather(GuestManifestBuilder guest, (int Block, int Extent)[] batch, PageChunk chunk, Span<byte> content)
    {
        chunk.Reset(batch[0].Block, 0);
        var places = batch.Select(place => (place.Extent, Entries: guest.EntriesOf(place.Block, place.Extent))).ToArray();
        var starts = new int[places.Length];
        foreach (var (extent, entries) in places)
        {
            starts[chunk.ExtentCount] = chunk.PageCount;
            chunk.Add(new ExtentPages(extent, entries.Aggregate(0UL, (mask, entry) => mask | entry.Mask), 0));
        }
        // Section by section, so that each is read once however many of the extents it has a part of.
        var parts = places
            .SelectMany((place, index) => place.Entries.Select(entry => (Entry: entry, Index: index)))
            .GroupBy(part => part.Entry.Section);
        foreach (var section in parts)
        {
            var head = reader.Read(guest.Sections[section.Key], SectionKind.Pages, content);
            foreach (var (entry, index) in section)
            {
                ExtentCopy.Pages(
                    head, content, entry, chunk.Extents[index].Present, chunk.Buffer.Slice(starts[index] * Paging.PageSize));
            }
        }
        hasher.Hash(chunk.Pages, chunk.Hashes);
    }
}
