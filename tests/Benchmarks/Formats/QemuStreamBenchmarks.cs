using System.Buffers;
using BenchmarkDotNet.Attributes;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Benchmarks.Formats;

/// <summary>QEMU's migration stream on 256 MiB of memory per operation, beside a copy of the same octets. No allocation per page.</summary>
[MemoryDiagnoser]
[ShortRunJob]
[Throughput(Pages * (long)PageSize)]
public class QemuStreamBenchmarks
{
    private const int PageSize = 4096;
    private const int Pages = 65536;
    private const int PieceLength = 1 << 20;

    private readonly byte[] _memory = new byte[Pages * PageSize];
    private readonly byte[] _copy = new byte[Pages * PageSize];
    private readonly ArrayBufferWriter<byte> _output = new(Pages * (PageSize + 16));
    private byte[] _pages = [];
    private byte[] _zeros = [];

    /// <summary>Fills the memory and writes the streams that are parsed.</summary>
    [GlobalSetup]
    public void SetUp()
    {
        Write(isZero: true);
        _zeros = _output.WrittenSpan.ToArray();
        new Random(1).NextBytes(_memory);
        Write();
        _pages = _output.WrittenSpan.ToArray();
    }

    /// <summary>The rung below.</summary>
    [Benchmark(Baseline = true)]
    public void Copy() => _memory.CopyTo(_copy, 0);

    /// <summary>Pages into a stream.</summary>
    [Benchmark]
    public int Write() => Write(isZero: false);

    /// <summary>Pages out of a stream that comes in pieces of 1 MiB, each copied to its place.</summary>
    [Benchmark]
    public long Parse() => Parse(_pages);

    /// <summary>Memory that is all zero: 9 octets a page.</summary>
    [Benchmark]
    public long ParseZeros() => Parse(_zeros);

    private int Write(bool isZero)
    {
        _output.ResetWrittenCount();
        var writer = new QemuStreamWriter(_output);
        writer.Begin(new QemuConfiguration("pc-i440fx-7.2"), [new QemuRamBlock("pc.ram", Pages * (long)PageSize)]);
        for (var page = 0; page < Pages; page++)
        {
            if (isZero) writer.WriteZeroPage(0, page * (long)PageSize);
            else writer.WritePage(0, page * (long)PageSize, _memory.AsSpan(page * PageSize, PageSize));
        }

        writer.EndMemory();
        writer.Complete();
        return _output.WrittenCount;
    }

    private long Parse(byte[] stream)
    {
        var memory = new Memory(_copy);
        var parser = new QemuStreamParser(memory);
        for (var at = 0; at < stream.Length; at += PieceLength) parser.Consume(stream.AsSpan(at, Math.Min(PieceLength, stream.Length - at)));
        return memory.PagesSeen == Pages ? parser.Position : throw new InvalidOperationException($"{memory.PagesSeen} pages");
    }

    private sealed class Memory(byte[] octets) : IQemuStreamVisitor
    {
        public int PagesSeen { get; private set; }

        public void OnConfiguration(QemuConfiguration configuration)
        {
        }

        public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks)
        {
        }

        public void OnPage(int block, long offset, ReadOnlySpan<byte> page)
        {
            PagesSeen++;
            page.CopyTo(octets.AsSpan((int)offset));
        }

        public void OnZeroPage(int block, long offset) => PagesSeen++;
    }
}
