using System.Numerics;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Export;

/// <summary>
/// Guest-physical memory as it is: the octet at place n of the output is the octet at address begin + n, zero where there is no memory. The image ends
/// with the last part of the largest RAM block, so that firmware at the end of the 4 GiB does not blow it up; other parts are had with a range.
/// </summary>
internal sealed class RawFormat : ExportFormat
{
    public override string Name => "raw";

    public override string Title => "image of guest-physical memory";

    public override bool TakesRange => true;

    internal override async Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation)
    {
        var memory = MemoryOf(exporter.Guest.Description);
        var begin = exporter.Begin ?? 0;
        var end = exporter.Length is { } length ? checked(begin + length) : EndOf(exporter.Guest.Description, memory);
        if (end <= begin)
            throw new SnapshotException(ErrorCode.Usage, $"the range begins at {begin:#x}, where guest {exporter.Guest.Description.Name} has no more memory", "give another --begin")
            {
                IsPreflight = true,
            };
        var numbers = exporter.Guest.Blocks.Select((block, number) => (block.Name, number)).ToDictionary(StringComparer.Ordinal);
        var ranges = memory.Select(range => Clip(range, begin, end)).Where(range => range.Length > 0).OrderBy(range => range.Address).ToList();
        var image = new RawImage(exporter.Output);
        var place = new Cursor(ranges, begin);
        await foreach (var chunk in exporter.Guest.Reader.ReadInOrderAsync(
            ranges.Select(range => new BlockRange(numbers[range.Block], (long)range.Offset, (long)range.Length)), Exporter.Chunks, cancellation))
        {
            using (chunk) Write(chunk, place, image);
            await image.FlushIfFullAsync(cancellation);
            exporter.Progress?.Report(place.Done);
        }
        await image.CompleteAsync((long)(end - begin), cancellation);
        return (long)(end - begin);
    }

    private static IReadOnlyList<MemoryRange> MemoryOf(GuestDescription guest)
    {
        if (guest.Memory.Count > 0) return guest.Memory;
        // A machine without an address space of its own shows its only block from address 0 on.
        if (guest.Blocks is [var only]) return [new MemoryRange(0, (ulong)only.Length, only.Name, 0)];
        throw new SnapshotException(
            ErrorCode.Incompatible, $"the memory map of guest {guest.Name} is not known", "export it in another format") { IsPreflight = true };
    }

    private static ulong EndOf(GuestDescription guest, IReadOnlyList<MemoryRange> memory)
    {
        var largest = guest.Blocks.MaxBy(block => block.Length)!.Name;
        return memory.Where(range => range.Block == largest).Select(range => range.Address + range.Length).DefaultIfEmpty().Max();
    }

    private static MemoryRange Clip(MemoryRange range, ulong begin, ulong end)
    {
        var first = Math.Max(range.Address, begin);
        var last = Math.Min(range.Address + range.Length, end);
        return last <= first ? range with { Length = 0 } : new MemoryRange(first, last - first, range.Block, range.Offset + (first - range.Address));
    }

    private static void Write(PageChunk chunk, Cursor place, RawImage image)
    {
        var pages = chunk.Pages;
        foreach (var extent in chunk.Extents)
        {
            foreach (var (first, count) in PageRuns.Of(extent.Present | extent.Zero))
            {
                var mask = extent.Present >> first;
                for (var page = 0; page < count;)
                {
                    var isPresent = (mask >> page & 1) != 0;
                    var run = Math.Min(count - page, BitOperations.TrailingZeroCount(isPresent ? ~(mask >> page) : mask >> page));
                    var octets = run * Paging.PageSize;
                    if (isPresent)
                    {
                        image.Write(place.Position, pages[..octets]);
                        pages = pages[octets..];
                    }
                    place.Advance(octets);
                    page += run;
                }
            }
        }
    }

    /// <summary>Where in the image the next page read belongs: pages come range by range, each from its start to its end. A run never crosses ranges.</summary>
    private sealed class Cursor(List<MemoryRange> ranges, ulong begin)
    {
        private int _range;
        private ulong _offset;

        public long Done { get; private set; }

        public long Position => (long)(ranges[_range].Address - begin + _offset);

        public void Advance(int octets)
        {
            Done += octets;
            _offset += (ulong)octets;
            if (_offset < ranges[_range].Length) return;
            _range++;
            _offset = 0;
        }
    }
}
