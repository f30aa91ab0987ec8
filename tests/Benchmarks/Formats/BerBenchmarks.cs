using BenchmarkDotNet.Attributes;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Benchmarks.Formats;

/// <summary>
/// BER on page data, 256 MiB per operation, beside a copy of the same octets: the goal is 1 GB/s per core either way and no allocation per
/// page.
/// </summary>
[MemoryDiagnoser]
[ShortRunJob]
[Throughput(Pages * (long)PageSize)]
public class BerBenchmarks
{
    private const int PageSize = 4096;
    private const int Pages = 65536;

    private readonly byte[] _memory = new byte[Pages * PageSize];
    private readonly byte[] _copy = new byte[Pages * PageSize];
    private readonly MemoryStream _file = new(Pages * (PageSize + 40));

    /// <summary>Fills the memory and writes the file that is read.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        new Random(1).NextBytes(_memory);
        Write();
    }

    /// <summary>The rung below.</summary>
    [Benchmark(Baseline = true)]
    public void Copy() => _memory.CopyTo(_copy, 0);

    /// <summary>Pages into a snapshot.</summary>
    [Benchmark]
    public long Write()
    {
        _file.SetLength(0);
        using var values = new BerWriter(_file);
        var writer = new BerSnapshotWriter(values);
        writer.BeginFile();
        writer.BeginSection("ram", 1, 0, 4);
        writer.BeginRamList();
        writer.WriteRamBlocks([new BerRamBlock("pc.ram", Pages * (ulong)PageSize)]);
        for (var page = 0; page < Pages; page++)
            writer.WritePage("pc.ram", (ulong)page * PageSize, _memory.AsSpan(page * PageSize, PageSize));
        writer.EndRamList();
        writer.EndSection();
        writer.EndFile();
        values.Flush();
        return values.Position;
    }

    /// <summary>Pages out of a snapshot, each copied to its place.</summary>
    [Benchmark]
    public int Read()
    {
        _file.Position = 0;
        using var reader = new BerSnapshotReader(_file);
        var pages = 0;
        while (reader.Read())
        {
            if (reader.Event != BerSnapshotEvent.RamEntry) continue;
            reader.Contents.CopyTo(_copy.AsSpan((int)reader.RamAddress));
            pages++;
        }

        return pages;
    }

    /// <summary>The same, awaiting every event.</summary>
    [Benchmark]
    public async Task<int> ReadAsync()
    {
        _file.Position = 0;
        using var reader = new BerSnapshotReader(_file);
        var pages = 0;
        while (await reader.ReadAsync())
        {
            if (reader.Event != BerSnapshotEvent.RamEntry) continue;
            reader.Contents.CopyTo(_copy.AsSpan((int)reader.RamAddress));
            pages++;
        }

        return pages;
    }
}
