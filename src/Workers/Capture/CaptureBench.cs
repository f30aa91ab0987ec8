using System.Runtime.InteropServices;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// Measures the way of the data as a ladder, each rung doing what the one below does and one thing more: copy, classify, compress, digest and frame,
/// append, and the whole graph with its commit. All processors work on every rung. Ratios of two rungs move less from machine to machine than rates.
/// </summary>
public static class CaptureBench
{
    /// <summary>Measures.</summary>
    /// <param name="repository">Where the upper rungs write; nothing is left in it.</param>
    /// <param name="options">With what.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the measurement between two rounds.</param>
    public static async Task<IReadOnlyList<BenchRung>> RunAsync(
        DirectoryRepository repository, CaptureBenchOptions options, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(repository);
        ArgumentNullException.ThrowIfNull(options);
        using var corpus = BenchCorpus.Create(options);
        using var table = new PageHashTable(corpus.Length / Paging.PageSize, Path.GetTempPath());
        var classifier = new PageClassifier(repository.Hasher);
        var rungs = new List<BenchRung>();

        await AddAsync("copy", () => SweepAsync(corpus, static chunk => chunk.Dispose()));
        await AddAsync("classify", () => SweepAsync(corpus, chunk =>
        {
            using (chunk) Classify(chunk);
        }));
        var codec = options.Codec.CreateSectionCodec();
        using (var buffers = new ThreadLocal<NativeBlock>(() => new NativeBlock(), trackAllValues: true))
        {
            await AddAsync("compress", () => SweepAsync(corpus, chunk =>
            {
                using (chunk)
                {
                    Classify(chunk);
                    _ = codec.TryCompress(chunk.Pages, buffers.Value!.Span, out var _);
                }
            }));
            foreach (var buffer in buffers.Values) buffer.Dispose();
        }
        using (var encoder = new SectionEncoder(options.Codec))
        {
            await AddAsync("digest and frame", () => SweepAsync(corpus, chunk =>
            {
                Classify(chunk);
                encoder.Encode(chunk).Dispose();
            }));
        }
        await AddAsync("append", () => InCheckpointAsync(async (writer, guest) =>
        {
            await SweepAsync(corpus, chunk =>
            {
                Classify(chunk);
                writer.AppendAsync(guest, writer.Encode(chunk), cancellation).AsTask().GetAwaiter().GetResult();
            });
        }, commit: false));
        await AddAsync("end to end", () => InCheckpointAsync((writer, guest) => CaptureAsync(corpus, new(writer, guest, repository.Hasher), time, cancellation), commit: true));
        return rungs;

        void Classify(PageChunk chunk)
        {
            // As if nothing had been emitted before.
            foreach (var extent in chunk.Extents) table.Extent(extent.Extent).Clear();
            classifier.Classify(chunk, table);
        }

        async Task AddAsync(string name, Func<Task> round)
        {
            var best = TimeSpan.MaxValue;
            for (var i = 0; i < options.Rounds; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                var started = time.GetTimestamp();
                await round();
                var took = time.GetElapsedTime(started);
                if (took < best) best = took;
            }
            var rate = corpus.Length / best.TotalSeconds;
            rungs.Add(new BenchRung(name, rate, rungs.Count == 0 ? 1 : rate / rungs[^1].BytesPerSecond));
        }

        async Task InCheckpointAsync(Func<CheckpointWriter, GuestManifestBuilder, Task> work, bool commit)
        {
            await using var writer = await repository.BeginAsync(new CheckpointOptions { Codec = options.Codec, Purpose = "bench" }, cancellation);
            var guest = await writer.AddGuestAsync("bench", [new RamBlock("ram", corpus.Length)], cancellation);
            await work(writer, guest);
            if (commit) await writer.FlushAsync(cancellation);
        }
    }

    /// <summary>Copies every section into a chunk and hands it on, on all processors.</summary>
    private static async Task SweepAsync(BenchCorpus corpus, Action<PageChunk> use)
    {
        using var pool = new PageChunkPool(Environment.ProcessorCount * 2);
        pool.Touch();
        await Parallel.ForAsync(0, corpus.Sections, async (section, token) =>
        {
            var chunk = await pool.RentAsync(token);
            Copy(corpus, section, chunk);
            use(chunk);
        });
    }

    private static void Copy(BenchCorpus corpus, int section, PageChunk chunk)
    {
        corpus.Section(section).CopyTo(chunk.Buffer);
        for (var extent = 0; extent < Paging.ExtentsPerSection; extent++)
            chunk.Add(new ExtentPages((section * Paging.ExtentsPerSection) + extent, ulong.MaxValue, 0));
    }

    /// <summary>The graph as a capture uses it, with the corpus in the place of a guest.</summary>
    private static async Task CaptureAsync(BenchCorpus corpus, CheckpointGuestStore store, TimeProvider time, CancellationToken cancellation)
    {
        var guest = new GuestDescription { Driver = "bench", Name = "bench", Uri = "bench:", Blocks = [new RamBlock("ram", corpus.Length)] };
        await using var graph = new CaptureGraph(guest, store, new CaptureGraphOptions(), time);
        var sink = graph.Block(0);
        await Parallel.ForAsync(0, corpus.Sections, cancellation, async (section, token) =>
        {
            var chunk = await sink.RentAsync(token);
            Copy(corpus, section, chunk);
            await sink.EmitAsync(chunk, token);
        });
        await graph.DrainAsync(cancellation);
        await store.SealAsync(guest, new GuestRecord(), cancellation);
    }

    private sealed unsafe class NativeBlock : IDisposable
    {
        private readonly byte* _octets = (byte*)NativeMemory.AlignedAlloc(Paging.SectionSize, Paging.PageSize);

        public Span<byte> Span => new(_octets, Paging.SectionSize);

        public void Dispose() => NativeMemory.AlignedFree(_octets);
    }
}
