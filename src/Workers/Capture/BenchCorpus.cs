using System.Runtime.InteropServices;
using Cutpoint.Guests;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Workers.Capture;

/// <summary>Octets that stand for guest memory.</summary>
internal sealed unsafe class BenchCorpus : IDisposable
{
    private readonly byte* _octets;

    private BenchCorpus(int sections)
    {
        Sections = sections;
        _octets = (byte*)NativeMemory.AlignedAlloc((nuint)sections * Paging.SectionSize, Paging.PageSize);
    }

    /// <summary>Whole sections there are.</summary>
    public int Sections { get; }

    /// <summary>Octets there are.</summary>
    public long Length => (long)Sections * Paging.SectionSize;

    /// <summary>Reads or makes the octets.</summary>
    public static BenchCorpus Create(CaptureBenchOptions options)
    {
        var corpus = new BenchCorpus((int)Math.Clamp(options.Length / Paging.SectionSize, 1, 4096));
        if (options.Corpus is { } path) corpus.Fill(path);
        else Parallel.For(0, corpus.Sections, corpus.Fill);
        return corpus;
    }

    public ReadOnlySpan<byte> Section(int number) => new(_octets + ((long)number * Paging.SectionSize), Paging.SectionSize);

    public void Dispose() => NativeMemory.AlignedFree(_octets);

    private Span<byte> Writable(int number) => new(_octets + ((long)number * Paging.SectionSize), Paging.SectionSize);

    private void Fill(string path)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        for (var section = 0; section < Sections; section++)
        {
            var left = Writable(section);
            while (!left.IsEmpty)
            {
                var read = file.Read(left);
                if (read == 0)
                {
                    // A short file is read again, so that there are as many octets as were asked for.
                    if (file.Length == 0) throw new SnapshotException(ErrorCode.Usage, $"'{path}' is empty", "name a file with octets like guest memory");
                    file.Position = 0;
                }
                left = left[read..];
            }
        }
    }

    private void Fill(int section)
    {
        var octets = Writable(section);
        for (var page = 0; page < Paging.PagesPerSection; page++)
        {
            var chance = ReferenceRandom.Mix(((ulong)section << 32) + (ulong)page);
            // A tenth zero, a fifth that cannot be compressed: about what a guest's used memory looks like.
            var number = (chance % 10) switch { 0 => PageContent.Zero, 1 or 2 => PageContent.NoiseOf(chance), _ => PageContent.TextOf(chance) };
            PageContent.Write(number, octets.Slice(page * Paging.PageSize, Paging.PageSize));
        }
    }
}
