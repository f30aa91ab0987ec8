using System.Numerics;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Export;

/// <summary>Parts of RAM blocks with the places of a file they belong at, ascending.</summary>
internal sealed class PlacedMemory(IEnumerable<(BlockRange Part, long Position)> places)
{
    private readonly List<(BlockRange Part, long Position)> _places = [.. places];

    /// <summary>Writes the pages that are not zero.</summary>
    public async Task WriteAsync(Exporter exporter, RawImage image, CancellationToken cancellation)
    {
        // A file takes its pages in any order: the fastest one it is, unless most of them are not wanted.
        if (exporter.Output.IsFile && exporter.Begin is null)
        {
            await exporter.Guest.Reader.ReadPagesAsync(
                (block, pages, octets) => Write(block, pages, octets, image), Environment.ProcessorCount, exporter.Progress, cancellation);
            return;
        }
        var cursor = new Cursor(_places);
        await foreach (var chunk in exporter.Guest.Reader.ReadInOrderAsync(_places.Select(place => place.Part), Exporter.Chunks, cancellation))
        {
            using (chunk) Write(chunk, cursor, image);
            await image.FlushIfFullAsync(cancellation);
            exporter.Progress?.Report(cursor.Done);
        }
    }

    private void Write(int block, ExtentPages pages, ReadOnlySpan<byte> octets, RawImage image)
    {
        var start = (long)pages.Extent * Paging.ExtentSize;
        foreach (var (first, count) in PageRuns.Of(pages.Present))
        {
            var offset = start + ((long)first * Paging.PageSize);
            var run = octets[..(count * Paging.PageSize)];
            octets = octets[run.Length..];
            foreach (var (part, position) in _places)
            {
                if (part.Block != block) continue;
                var (from, end) = (Math.Max(offset, part.Offset), Math.Min(offset + run.Length, part.Offset + part.Length));
                if (from < end) image.Write(position + (from - part.Offset), run.Slice((int)(from - offset), (int)(end - from)));
            }
        }
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

    /// <summary>Where the next page read belongs: pages come part by part, each from its start to its end. A run never crosses parts.</summary>
    private sealed class Cursor(List<(BlockRange Part, long Position)> places)
    {
        private int _place;
        private long _offset;

        public long Done { get; private set; }

        public long Position => places[_place].Position + _offset;

        public void Advance(int octets)
        {
            Done += octets;
            _offset += octets;
            if (_offset < places[_place].Part.Length) return;
            _place++;
            _offset = 0;
        }
    }
}
