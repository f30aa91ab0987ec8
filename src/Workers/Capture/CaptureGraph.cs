using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Units;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// The data way of one guest, from its units to its store:
/// <code>
/// unit ─ rent ─▶ read ─▶ classify (on the unit's thread) ─▶ encode (side by side, in order) ─▶ append (in order) ─▶ store
///          ▲                                                      │
///          └─────────────── chunk back: credit ───────────────────┘
/// </code>
/// Order: a page's hash is in the table and its chunk is queued before <see cref="IUnitSink.EmitAsync"/> returns, and chunks are appended in the order they
/// were queued. Two chunks that name one page are therefore stored in the order they were emitted, as long as the first call has returned before the
/// second one is made; that is the rule of <see cref="IUnitSink"/>.
/// Memory: nobody reads without a chunk, encoded sections have a fixed number of places; both are bounded by <see cref="CaptureGraphOptions"/>.
/// Faults: the first one ends the graph; whoever waits for a chunk or for the end is told it.
/// </summary>
internal sealed class CaptureGraph : IUnitSinks, ICaptureSinks, IAsyncDisposable
{
    private readonly GuestDescription _guest;
    private readonly IGuestStore _store;
    private readonly CaptureGraphOptions _options;
    private readonly TimeProvider _time;
    private readonly PageChunkPool _live;
    private readonly PageChunkPool _cut;
    private readonly OrderedStage<PageChunk, EncodedSection> _stage;
    private readonly BlockSink[] _blocks;
    private readonly SinkMeter _meter;
    private readonly ConcurrentDictionary<UnitKey, StateSink> _open = new();
    private readonly ConcurrentDictionary<UnitKey, DeviceState> _states = new();
    private volatile bool _isCut;
    private volatile bool _isFull;
    private long _pagesRead;
    private long _pagesChanged;
    private long _pagesZeroed;
    private long _bytesStored;
    private long _overflow;
    private long _expected;

    /// <summary>Builds the graph; nothing flows yet.</summary>
    /// <param name="guest">Its blocks are the blocks of the graph.</param>
    /// <param name="store">Where everything goes; not owned.</param>
    /// <param name="options">Sizes.</param>
    /// <param name="time">The clock of rates.</param>
    /// <param name="live">The chunks of live passes, when there are some already; owned from here on.</param>
    public CaptureGraph(GuestDescription guest, IGuestStore store, CaptureGraphOptions options, TimeProvider time, PageChunkPool? live = null)
    {
        _guest = guest;
        _store = store;
        _options = options;
        _time = time;
        _meter = new SinkMeter(time);
        _live = live ?? new PageChunkPool(options.Chunks);
        _cut = new PageChunkPool(options.CutChunks);
        Classifier = new PageClassifier(store.Hasher);
        _blocks = new BlockSink[guest.Blocks.Count];
        try
        {
            for (var i = 0; i < _blocks.Length; i++)
                _blocks[i] = new BlockSink(this, i, new PageHashTable(guest.Blocks[i].PageCount, options.ScratchDirectory));
        }
        catch
        {
            foreach (var block in _blocks) block?.Dispose();
            throw;
        }
        // Every chunk there is may wait here, so nobody who has one ever waits for a place.
        _stage = new OrderedStage<PageChunk, EncodedSection>(
            options.Chunks + options.CutChunks, options.Sections, store.Encode, AppendAsync, CancellationToken.None);
    }

    /// <summary>What went through so far.</summary>
    public CaptureCounters Counters => new(
        Interlocked.Read(ref _pagesRead),
        Interlocked.Read(ref _pagesChanged),
        Interlocked.Read(ref _pagesZeroed),
        Interlocked.Read(ref _bytesStored),
        Interlocked.Read(ref _overflow));

    /// <inheritdoc/>
    public double? SinkBytesPerSecond => _meter.Rate;

    /// <inheritdoc/>
    public long CutBufferBytes => _cut.Capacity;

    /// <summary>Cancelled when the graph has failed.</summary>
    public CancellationToken Ending => _stage.Ending;

    internal PageClassifier Classifier { get; }

    /// <inheritdoc/>
    public IUnitSink Block(int block) => _blocks[block];

    /// <summary>Starts from what the store has of the guest already: pages equal to it are not emitted. Before the first pass.</summary>
    public ValueTask<KnownPages> StartFromKnownAsync(CancellationToken cancellation) =>
        _store.ReadKnownPagesAsync((block, pages, hashes) => _blocks[block].Know(pages, hashes), cancellation);

    /// <summary>Takes out known pages that no pass has looked at. After the last page of the final pass.</summary>
    public async Task ForgetUnseenAsync(CancellationToken cancellation)
    {
        foreach (var block in _blocks) await block.ForgetUnseenAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Prepares for the stop of the guest: lets the processors come to rest, and touches as much of the cut buffer as will be needed. From here on chunks
    /// come from those that live passes have left over and from the cut buffer, and what is queued waits.
    /// </summary>
    public async Task EnterCutAsync(CancellationToken cancellation)
    {
        await _stage.CloseAsync(cancellation).ConfigureAwait(false);
        // The disk has nothing else to do while the guest stands still.
        await _store.SettleAsync(cancellation).ConfigureAwait(false);
        // Twice what is expected, and never less than a few chunks: every shard needs one.
        var needed = (int)Math.Min((2 * Interlocked.Read(ref _expected) / Paging.SectionSize) + 4, _options.CutChunks);
        _cut.Touch(Math.Max(0, needed - _live.Idle));
        _isFull = false;
        _isCut = true;
    }

    /// <summary>The guest runs again, or the attempt has ended: what is queued goes on.</summary>
    public void LeaveCut()
    {
        _isCut = false;
        _stage.Open();
    }

    /// <summary>Waits until everything emitted so far was appended, and appends the state of units without pages.</summary>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        try
        {
            await _stage.WhenIdleAsync(cancellation).ConfigureAwait(false);
            foreach (var (unit, state) in _states)
            {
                await _store.AppendAsync(state, cancellation).ConfigureAwait(false);
                _states.TryRemove(unit, out _);
            }
        }
        catch (OperationCanceledException)
        {
            ThrowFault();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Expect(long octets) => Interlocked.Exchange(ref _expected, Math.Max(0, octets));

    /// <inheritdoc/>
    public ValueTask<IUnitSink> OpenAsync(UnitRegistration unit, uint pass, Action<long> written, CancellationToken cancellation)
    {
        foreach (var block in _blocks)
        {
            if (_guest.Blocks[block.Number].Name != unit.Key.Name) continue;
            block.Begin(pass, written);
            return ValueTask.FromResult<IUnitSink>(block);
        }
        var state = new StateSink(unit, _options.MaxStateLength, written);
        _open[unit.Key] = state;
        return ValueTask.FromResult<IUnitSink>(state);
    }

    /// <inheritdoc/>
    public ValueTask CloseAsync(UnitRegistration unit, uint pass, bool succeeded)
    {
        // Kept until the guest runs again: nothing of a stopped guest waits for a disk.
        if (_open.TryRemove(unit.Key, out var state) && succeeded && !state.IsEmpty)
            _states[unit.Key] = new DeviceState(unit.Key, unit.Version, state.State);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _stage.DisposeAsync().ConfigureAwait(false);
        _live.Dispose();
        _cut.Dispose();
        foreach (var block in _blocks) block.Dispose();
    }

    internal ValueTask<PageChunk> RentAsync(CancellationToken cancellation)
    {
        ThrowFault();
        if (_isCut)
        {
            if ((_live.TryRentIdle() ?? _cut.TryRent()) is { } reserved) return ValueTask.FromResult(reserved);
            // The buffer is full: the stopped guest has to wait for the sink after all.
            _isFull = true;
            _stage.Open();
        }
        return _live.TryRent() is { } chunk ? ValueTask.FromResult(chunk) : WaitAsync(cancellation);
    }

    internal void Count(int pages) => Interlocked.Add(ref _pagesRead, pages);

    internal async ValueTask AddAsync(PageChunk chunk, (int Changed, int Zeroed) pages, CancellationToken cancellation)
    {
        if (chunk.IsEmpty)
        {
            chunk.Dispose();
            return;
        }
        Interlocked.Add(ref _pagesChanged, pages.Changed);
        Interlocked.Add(ref _pagesZeroed, pages.Zeroed);
        if (_isCut && _isFull) Interlocked.Add(ref _overflow, (long)pages.Changed * Paging.PageSize);
        try
        {
            await _stage.AddAsync(chunk, cancellation).ConfigureAwait(false);
        }
        catch (System.Threading.Channels.ChannelClosedException)
        {
            ThrowFault();
            throw;
        }
    }

    private async ValueTask<PageChunk> WaitAsync(CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, Ending);
        try
        {
            return await _live.RentAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            cancellation.ThrowIfCancellationRequested();
            ThrowFault();
            throw;
        }
    }

    private async ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
    {
        var ready = _time.GetTimestamp();
        var (raw, stored) = (section.RawLength, section.Length);
        await _store.AppendAsync(section, cancellation).ConfigureAwait(false);
        Interlocked.Add(ref _bytesStored, stored);
        _meter.Add(ready, raw);
    }

    private void ThrowFault()
    {
        if (_stage.Fault is { } fault) ExceptionDispatchInfo.Throw(fault);
    }
}
