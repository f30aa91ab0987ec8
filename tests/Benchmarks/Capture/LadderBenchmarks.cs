using BenchmarkDotNet.Attributes;
using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Benchmarks.Capture;

/// <summary>
/// The rungs of one section of 4 MiB on one processor. "Allocated" is the gate: nothing per page, so copy, classify and compare allocate nothing, and
/// encode no more than its section's own small objects.
/// </summary>
[MemoryDiagnoser]
public class LadderBenchmarks
{
    private const int Sections = 32;
    private BenchCorpus _corpus = null!;
    private PageChunkPool _pool = null!;
    private PageHashTable _table = null!;
    private PageClassifier _classifier = null!;
    private SectionEncoder _encoder = null!;
    private int _next;

    /// <summary>The codec of the encoded rung.</summary>
    [Params("zstd:1", "lz4", "none")]
    public string Codec { get; set; } = "zstd:1";

    /// <summary>Pages like those of a guest, more than the caches hold.</summary>
    [GlobalSetup]
    public void Setup()
    {
        _corpus = BenchCorpus.Create(new CaptureBenchOptions { Length = (long)Sections * Paging.SectionSize });
        _pool = new PageChunkPool(2);
        _pool.Touch();
        _table = new PageHashTable((long)Sections * Paging.PagesPerSection, Path.GetTempPath());
        _classifier = new PageClassifier(new PageHasher(new byte[PageHasher.SecretLength]));
        _encoder = new SectionEncoder(Compression.Codec.Parse(Codec));
    }

    /// <summary>Frees what <see cref="Setup"/> made.</summary>
    [GlobalCleanup]
    public void Cleanup()
    {
        _encoder.Dispose();
        _table.Dispose();
        _pool.Dispose();
        _corpus.Dispose();
    }

    /// <summary>A section is copied.</summary>
    [Benchmark(Baseline = true)]
    public void Copy() => Read().Dispose();

    /// <summary>... and classified: zero test, page hash, table.</summary>
    [Benchmark]
    public void Classify()
    {
        using var chunk = Read();
        ClassifyAnew(chunk);
    }

    /// <summary>Memory compared in place, as in the final pass: nothing is copied.</summary>
    [Benchmark]
    public ulong Compare()
    {
        var section = _next++ % Sections;
        var octets = _corpus.Section(section);
        ulong differ = 0;
        for (var extent = 0; extent < Paging.ExtentsPerSection; extent++)
        {
            var number = (section * Paging.ExtentsPerSection) + extent;
            differ |= _classifier.Compare(number, octets.Slice(extent * Paging.ExtentSize, Paging.ExtentSize), _table.Extent(number)).Present;
        }
        return differ;
    }

    /// <summary>... and compressed, digested and framed.</summary>
    [Benchmark]
    public void Encode()
    {
        var chunk = Read();
        ClassifyAnew(chunk);
        _encoder.Encode(chunk).Dispose();
    }

    private PageChunk Read()
    {
        var section = _next++ % Sections;
        var chunk = _pool.TryRent()!;
        _corpus.Section(section).CopyTo(chunk.Buffer);
        for (var extent = 0; extent < Paging.ExtentsPerSection; extent++)
            chunk.Add(new ExtentPages((section * Paging.ExtentsPerSection) + extent, ulong.MaxValue, 0));
        return chunk;
    }

    private void ClassifyAnew(PageChunk chunk)
    {
        foreach (var extent in chunk.Extents) _table.Extent(extent.Extent).Clear();
        _classifier.Classify(chunk, _table);
    }
}
