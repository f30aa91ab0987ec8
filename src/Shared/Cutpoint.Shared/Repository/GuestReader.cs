using System.Numerics;
using System.Runtime.CompilerServices;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Reads one guest of a checkpoint: any page with one section decode, all pages in the order of the packs, or ranges in the order of
/// addresses. What is handed out was checked against the digests of the packs. Safe for concurrent use; belongs to a
/// <see cref="CheckpointReader"/>.
/// </summary>
public sealed class GuestReader
{
    private const int CachedSections = 4;

    private readonly DirectoryRepository _repository;
    private readonly SectionReader _reader;
    private readonly Lazy<SectionRef[]> _sections;
    private readonly Lazy<SectionCache> _cache;

    internal GuestReader(DirectoryRepository repository, SectionReader reader, Ulid checkpoint, GuestManifest manifest)
    {
        _repository = repository;
        _reader = reader;
        Checkpoint = checkpoint;
        Manifest = manifest;
        _sections = new Lazy<SectionRef[]>(FindSections);
        _cache = new Lazy<SectionCache>(() => new SectionCache(reader, SectionRefs, CachedSections));
    }

    /// <summary>The checkpoint.</summary>
    public Ulid Checkpoint { get; }

    /// <summary>What the checkpoint knows of the guest.</summary>
    public GuestManifest Manifest { get; }

    /// <summary>Octets of page contents that <see cref="ReadPagesAsync"/> hands out.</summary>
    public long ContentBytes
    {
        get
        {
            long pages = 0;
            foreach (var map in Manifest.Maps)
            {
                for (var index = 0; index < map.Extents.Length; index++)
                {
                    foreach (var entry in map.EntriesAt(index)) pages += BitOperations.PopCount(entry.Mask);
                }
            }
            return pages * Paging.PageSize;
        }
    }

    internal SectionRef[] SectionRefs => _sections.Value;

    /// <summary>The octets a device's unit wrote.</summary>
    public Task<byte[]> ReadStateAsync(DeviceInfo device, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Task.Run(() => ReadOctets(device.StateSections, device.Length, cancellation), cancellation);
    }

    /// <summary>The description of a device's state; empty when it has none.</summary>
    public Task<byte[]> ReadDescriptionAsync(DeviceInfo device, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(device);
        return Task.Run(() => ReadOctets(device.DescriptionSections, device.DescriptionLength, cancellation), cancellation);
    }

    /// <summary>Reads octets from anywhere in a RAM block. Sections used last are kept, so reading on is cheap.</summary>
    /// <param name="block">Number of the RAM block.</param>
    /// <param name="offset">Octets into the block.</param>
    /// <param name="destination">Filled whole; must not reach past the end of the block.</param>
    /// <param name="cancellation">Cancels the read.</param>
    public Task ReadAsync(int block, long offset, Memory<byte> destination, CancellationToken cancellation)
    {
        CheckRange(new BlockRange(block, offset, destination.Length));
        return Task.Run(() => Read(block, offset, destination.Span, cancellation), cancellation);
    }

    /// <summary>
    /// Hands out every page that is not zero, once, section by section in the order of the packs: the fastest way to fill a file.
    /// </summary>
    /// <param name="handler">Takes the pages; an exception ends the read.</param>
    /// <param name="parallelism">Threads that decode and call the handler. Memory in use is 8 MiB for each.</param>
    /// <param name="progress">Told how many octets have been handed out, after each section; called concurrently.</param>
    /// <param name="cancellation">Cancels the read.</param>
    public async Task ReadPagesAsync(ExtentHandler handler, int parallelism, IProgress<long>? progress, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(handler);
        ArgumentOutOfRangeException.ThrowIfLessThan(parallelism, 1);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var work = new PageDistribution(
            _reader, SectionRefs, Uses(), handler, progress);
        var workers = new Task[parallelism];
        for (var index = 0; index < parallelism; index++)
        {
            workers[index] = Task.Run(
                () =>
                {
                    try
                    {
                        work.Run(stop.Token);
                    }
                    catch
                    {
                        stop.Cancel();
                        throw;
                    }
                },
                CancellationToken.None);
        }
        var all = Task.WhenAll(workers);
        await all.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        // The cause counts, not the cancellations it set off in the other workers.
        if (all.Exception is { InnerExceptions: var errors })
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(errors.FirstOrDefault(e => e is not OperationCanceledException) ?? errors[0]);
        cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>
    /// Reads ranges in their order as chunks of at most 16 extents, every page named as present or zero. Decodes ahead in parallel; the
    /// hashes of the chunks are not filled in.
    /// </summary>
    /// <param name="ranges">The ranges; page aligned.</param>
    /// <param name="chunks">
    /// Chunks of 4 MiB there are, those the caller has not disposed of included: at least 2, and more than the caller holds while it asks
    /// for the next.
    /// </param>
    /// <param name="cancellation">Cancels the read.</param>
    /// <returns>The chunks; the caller disposes each.</returns>
    public async IAsyncEnumerable<PageChunk> ReadInOrderAsync(
        IEnumerable<BlockRange> ranges, int chunks, [EnumeratorCancellation] CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(ranges);
        ArgumentOutOfRangeException.ThrowIfLessThan(chunks, 2);
        using var pool = new PageChunkPool(chunks);
        using var cache = new SectionCache(_reader, SectionRefs, chunks + CachedSections);
        var ahead = new Queue<Task<PageChunk>>();
        try
        {
            foreach (var window in Windows(ranges))
            {
                var chunk = pool.TryRent();
                while (chunk is null)
                {
                    if (ahead.TryDequeue(out var next)) yield return await next.ConfigureAwait(false);
                    chunk = pool.TryRent() ?? (ahead.Count == 0 ? await pool.RentAsync(cancellation).ConfigureAwait(false) : null);
                }
                ahead.Enqueue(Task.Run(() => WindowReader.Fill(Manifest, cache, window, chunk, cancellation), CancellationToken.None));
                if (ahead.Count == Environment.ProcessorCount * 2) yield return await ahead.Dequeue().ConfigureAwait(false);
            }
            while (ahead.TryDequeue(out var next)) yield return await next.ConfigureAwait(false);
        }
        finally
        {
            // Whatever ended the loop, nobody else will take these.
            while (ahead.TryDequeue(out var next))
            {
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (next.IsCompletedSuccessfully) (await next.ConfigureAwait(false)).Dispose();
            }
        }
    }

    /// <summary>Hands out the hash of every page that is not zero, as they were taken over the stored octets; payloads are not
    /// read.</summary>
    /// <param name="handler">Takes the hashes.</param>
    /// <param name="cancellation">Cancels the read.</param>
    public Task ReadHashesAsync(PageHashHandler handler, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(handler);
        return Task.Run(
            () =>
            {
                var hashes = new PageHashReader(_reader);
                var uses = Uses();
                foreach (var section in uses.Order)
                {
                    cancellation.ThrowIfCancellationRequested();
                    hashes.Read(SectionRefs[section], uses.Of(section), handler);
                }
            },
            cancellation);
    }

    /// <summary>Hands out the hashes of some pages of a block.</summary>
    /// <param name="block">Number of the RAM block.</param>
    /// <param name="first">Number of the first extent.</param>
    /// <param name="pages">The pages of that extent and of those behind it.</param>
    /// <param name="handler">Takes the hashes.</param>
    /// <param name="cancellation">Cancels the read.</param>
    internal void ReadHashes(int block, int first, ReadOnlySpan<ulong> pages, PageHashHandler handler, CancellationToken cancellation)
    {
        var maps = new BlockMap[Manifest.Maps.Count];
        for (var index = 0; index < maps.Length; index++) maps[index] = index == block ? Manifest.Maps[block].Only(first, pages) : BlockMap.Empty;
        var hashes = new PageHashReader(_reader);
        var uses = new SectionUses(maps, Array.ConvertAll(SectionRefs, section => (SectionRef?)section));
        foreach (var section in uses.Order)
        {
            cancellation.ThrowIfCancellationRequested();
            hashes.Read(SectionRefs[section], uses.Of(section), handler);
        }
    }

    internal void Close()
    {
        if (_cache.IsValueCreated) _cache.Value.Dispose();
    }

    private SectionUses Uses() => new(Manifest.Maps, Array.ConvertAll(SectionRefs, section => (SectionRef?)section));

    private SectionRef[] FindSections() => Array.ConvertAll(
        Manifest.Sections,
        identity => _repository.Catalog.Find(identity) ?? throw new SnapshotException(
            ErrorCode.VerificationFailed, $"section {identity} of guest '{Manifest.Name}' is not in the catalog", "run 'cutpoint verify'"));

    private byte[] ReadOctets(int[] sections, long length, CancellationToken cancellation)
    {
        if (length > Array.MaxLength)
            throw new SnapshotException(ErrorCode.Incompatible, $"a device state of {length} octets is too long to be read at once");
        var octets = new byte[length];
        var rest = octets.AsSpan();
        using var buffers = new NativeBufferPool(Paging.SectionSize, 0);
        using var buffer = buffers.Rent();
        foreach (var section in sections)
        {
            cancellation.ThrowIfCancellationRequested();
            var head = _reader.Read(SectionRefs[section], SectionKind.State, buffer.Span);
            if (head.RawLength != Math.Min(rest.Length, Paging.SectionSize))
                throw new SnapshotException(
                    ErrorCode.VerificationFailed, $"section {head.Identity} has another length than the manifest says",
                    "run 'cutpoint verify'");
            buffer.Span[..head.RawLength].CopyTo(rest);
            rest = rest[head.RawLength..];
        }
        return octets;
    }

    private void Read(int block, long offset, Span<byte> destination, CancellationToken cancellation)
    {
        var extentOctets = new byte[Paging.ExtentSize];
        while (!destination.IsEmpty)
        {
            cancellation.ThrowIfCancellationRequested();
            var extent = (int)(offset / Paging.ExtentSize);
            var start = (int)(offset % Paging.ExtentSize);
            var count = Math.Min(destination.Length, Paging.ExtentSize - start);
            // Only the pages that are asked for, so that no section is decoded for others.
            var wanted = WindowReader.PagesBetween(start / Paging.PageSize, (start + count - 1) / Paging.PageSize);
            extentOctets.AsSpan().Clear();
            foreach (var entry in Manifest.Maps[block].EntriesOf(extent))
            {
                var part = entry with { Mask = entry.Mask & wanted };
                if (part.Mask == 0) continue;
                _cache.Value.Use(
                    part.Section, (in SectionHead head, ReadOnlySpan<byte> content) =>
                        ExtentCopy.Pages(head, content, part, ulong.MaxValue, extentOctets));
            }
            extentOctets.AsSpan(start, count).CopyTo(destination);
            destination = destination[count..];
            offset += count;
        }
    }

    private IEnumerable<BlockRange> Windows(IEnumerable<BlockRange> ranges)
    {
        foreach (var range in ranges)
        {
            CheckRange(range);
            if (range.Offset % Paging.PageSize != 0 || range.Length % Paging.PageSize != 0)
                throw new ArgumentException("A range is page aligned.", nameof(ranges));
            for (long offset = range.Offset, end = range.Offset + range.Length; offset < end;)
            {
                // Windows lie where sections of a full pass do.
                var length = Math.Min(Paging.SectionSize - (offset % Paging.SectionSize), end - offset);
                yield return new BlockRange(range.Block, offset, length);
                offset += length;
            }
        }
    }

    private void CheckRange(BlockRange range)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)range.Block, (uint)Manifest.Blocks.Count, nameof(range));
        var length = Manifest.Blocks[range.Block].Length;
        if (range.Offset < 0 || range.Length < 0 || range.Length > length || range.Offset > length - range.Length)
            throw new ArgumentOutOfRangeException(nameof(range), $"RAM block '{Manifest.Blocks[range.Block].Name}' has {length} octets.");
    }
}
