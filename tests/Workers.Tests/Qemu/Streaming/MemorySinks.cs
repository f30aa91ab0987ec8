using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Tests.Qemu.Streaming;

/// <summary>Sinks that keep the guest's memory as it was emitted last, so that it can be compared.</summary>
internal sealed class MemorySinks(GuestDescription guest) : ICaptureSinks, IDisposable
{
    private readonly PageChunkPool _pool = new(2 * guest.Blocks.Count);
    private readonly byte[][] _memory = [.. guest.Blocks.Select(block => new byte[block.Length])];

    public double? SinkBytesPerSecond => 1e9;

    public long CutBufferBytes => 64 << 20;

    public long Expected { get; private set; }

    /// <summary>Called before pages are taken.</summary>
    public Action Emitting { get; set; } = static () => { };

    public int ChunkCount { get; private set; }

    public IUnitSink Block(int block) => new Sink(this, block);

    public void Expect(long octets) => Expected = octets;

    public ReadOnlySpan<byte> MemoryOf(string block) => _memory[guest.Blocks.ToList().FindIndex(b => b.Name == block)];

    public void Dispose() => _pool.Dispose();

    private sealed class Sink(MemorySinks sinks, int number) : IUnitSink
    {
        public async ValueTask<PageChunk> RentAsync(CancellationToken cancellation)
        {
            var chunk = await sinks._pool.RentAsync(cancellation);
            chunk.Reset(number, 0);
            return chunk;
        }

        public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages) => throw new NotSupportedException();

        public ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation)
        {
            sinks.ChunkCount++;
            sinks.Emitting();
            var pages = chunk.Pages;
            foreach (var extent in chunk.Extents)
            {
                for (var bit = 0; bit < Paging.PagesPerExtent; bit++)
                {
                    var at = ((extent.Extent * Paging.PagesPerExtent) + bit) * Paging.PageSize;
                    if ((extent.Zero >> bit & 1) != 0) sinks._memory[number].AsSpan(at, Paging.PageSize).Clear();
                    if ((extent.Present >> bit & 1) == 0) continue;
                    pages[..Paging.PageSize].CopyTo(sinks._memory[number].AsSpan(at));
                    pages = pages[Paging.PageSize..];
                }
            }
            chunk.Dispose();
            return ValueTask.CompletedTask;
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation) => throw new NotSupportedException();
    }
}
