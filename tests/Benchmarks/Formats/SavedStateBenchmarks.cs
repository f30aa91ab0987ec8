using BenchmarkDotNet.Attributes;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Benchmarks.Formats;

/// <summary>
/// A saved state of page data, 64 MiB per operation, beside its LZF alone: the goal is the speed of LZF or better. Half of the pages are text-like, a quarter
/// noise, a quarter zero.
/// </summary>
[MemoryDiagnoser]
[ShortRunJob]
public class SavedStateBenchmarks
{
    private const int PageSize = SavedStateBlocks.Size;
    private const int Pages = 16384;
    private const int ChunkPages = 256;

    private readonly byte[] _memory = new byte[Pages * PageSize];
    private readonly byte[][] _records = [.. Enumerable.Range(0, Environment.ProcessorCount).Select(_ => new byte[ChunkPages * SavedStateBlocks.MaxRecord])];

    /// <summary>Fills the memory.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        var random = new Random(1);
        for (var page = 0; page < Pages; page++)
        {
            var octets = _memory.AsSpan(page * PageSize, PageSize);
            if (page % 4 == 3) continue;
            random.NextBytes(octets);
            if (page % 4 == 2) continue;
            for (var i = 0; i < PageSize; i++) octets[i] = (byte)("etaoin shrdlu\0\0\0"[octets[i] & 15] + (i & 64));
        }
    }

    /// <summary>The rung below: blocks to records, one thread.</summary>
    [Benchmark(Baseline = true)]
    public long Compress()
    {
        long octets = 0;
        for (var at = 0; at < _memory.Length; at += ChunkPages * PageSize) octets += SavedStateBlocks.Encode(_memory.AsSpan(at, ChunkPages * PageSize), _records[0]);
        return octets;
    }

    /// <summary>The whole writer on one thread.</summary>
    [Benchmark]
    public long Write()
    {
        var writer = Begin();
        writer.Write(_memory);
        writer.EndUnit();
        writer.Finish();
        return writer.Offset;
    }

    /// <summary>As the export does it: blocks to records on all processors, records to the file in order.</summary>
    [Benchmark]
    public long WriteInParallel()
    {
        var writer = Begin();
        var lengths = new int[_records.Length];
        for (var at = 0; at < _memory.Length; at += _records.Length * ChunkPages * PageSize)
        {
            Parallel.For(0, _records.Length, i =>
            {
                var start = at + (i * ChunkPages * PageSize);
                lengths[i] = start < _memory.Length ? SavedStateBlocks.Encode(_memory.AsSpan(start, ChunkPages * PageSize), _records[i]) : 0;
            });
            for (var i = 0; i < lengths.Length; i++) writer.WriteEncoded(_records[i].AsSpan(0, lengths[i]), ChunkPages * PageSize);
        }
        writer.EndUnit();
        writer.Finish();
        return writer.Offset;
    }

    private static SavedStateWriter Begin()
    {
        var writer = new SavedStateWriter(Stream.Null, new SavedStateHeader());
        writer.BeginUnit("ram", 0, 1, SavedStateUnit.FinalPass);
        return writer;
    }
}
