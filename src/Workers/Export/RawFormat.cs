using Cutpoint.Guests;

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
        var memory = exporter.Guest.Memory;
        var begin = exporter.Begin ?? 0;
        var end = exporter.Length is { } length ? checked(begin + length) : EndOf(exporter.Guest.Description, memory);
        if (end <= begin)
            throw new SnapshotException(ErrorCode.Usage, $"the range begins at {begin:#x}, where guest {exporter.Guest.Description.Name} has no more memory", "give another --begin")
            {
                IsPreflight = true,
            };
        var ranges = memory.Select(range => Clip(range, begin, end)).Where(range => range.Length > 0).OrderBy(range => range.Address).ToList();
        var image = new RawImage(exporter.Output);
        var places = ranges.Select(range => (exporter.Guest.PartOf(range), (long)(range.Address - begin)));
        await new PlacedMemory(places).WriteAsync(exporter, image, cancellation);
        await image.CompleteAsync((long)(end - begin), cancellation);
        return (long)(end - begin);
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
}
