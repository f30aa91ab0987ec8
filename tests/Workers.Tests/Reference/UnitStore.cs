using System.Numerics;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Tests.Reference;

/// <summary>Keeps what units save, page by page in memory, and loads it back. The later write of a page wins, as it does in a checkpoint.</summary>
internal sealed class UnitStore(int chunks = 4) : IUnitSinks, ICaptureSinks, IUnitSections, IDisposable
{
    private readonly PageChunkPool _pool = new(chunks);
    private readonly Dictionary<UnitKey, Unit> _units = [];
    private readonly List<UnitKey> _order = [];
    private int _next;

    /// <summary>Called before a chunk is handed out: the moment a guest can write while it is read.</summary>
    public Action OnRent { get; set; } = static () => { };

    /// <summary>Called before a chunk is kept.</summary>
    public Action OnEmit { get; set; } = static () => { };

    public long PagesEmitted { get; private set; }

    public long ZerosEmitted { get; private set; }

    public long Expected { get; private set; }

    public double? SinkBytesPerSecond => 1L << 30;

    public long CutBufferBytes => 64L << 20;

    public long? Length => null;

    public bool IsLive => true;

    public ValueTask<IUnitSink> OpenAsync(UnitRegistration unit, uint pass, Action<long> written, CancellationToken cancellation)
    {
        lock (_units)
        {
            if (!_units.TryGetValue(unit.Key, out var kept))
            {
                _units[unit.Key] = kept = new Unit(this, unit.Version);
                _order.Add(unit.Key);
            }
            return ValueTask.FromResult<IUnitSink>(kept);
        }
    }

    public ValueTask CloseAsync(UnitRegistration unit, uint pass, bool succeeded) => default;

    public IUnitSink Block(int block) => throw new InvalidOperationException("the units are called with their sinks");

    public void Expect(long octets) => Expected = octets;

    public ValueTask<UnitSection?> NextAsync(Action<long> consumed, CancellationToken cancellation)
    {
        if (_next == _order.Count) return ValueTask.FromResult<UnitSection?>(null);
        var key = _order[_next++];
        return ValueTask.FromResult<UnitSection?>(new(key, _units[key].Version, UnitRegistration.FinalPass, _units[key]));
    }

    public ValueTask EndAsync(bool skip, CancellationToken cancellation) => default;

    /// <summary>Loads all of it into a guest.</summary>
    public async Task LoadAsync(UnitRegistry units)
    {
        _next = 0;
        foreach (var unit in _units.Values) unit.Rewind();
        await UnitLoad.RunAsync(units, this, new(), default);
    }

    public void Dispose() => _pool.Dispose();

    private sealed class Unit(UnitStore store, uint version) : IUnitSink, IUnitSource
    {
        private readonly SortedDictionary<long, byte[]> _pages = [];
        private byte[] _state = [];
        private int _at;
        private Queue<KeyValuePair<long, byte[]>> _left = new();

        public uint Version => version;

        public void Rewind()
        {
            _at = 0;
            _left = new(_pages);
        }

        public async ValueTask<PageChunk> RentAsync(CancellationToken cancellation)
        {
            lock (store) store.OnRent();
            return await store._pool.RentAsync(cancellation);
        }

        public ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation)
        {
            using (chunk)
            {
                lock (store) store.OnEmit();
                lock (_pages) Keep(chunk);
            }
            return default;
        }

        public ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation)
        {
            _state = state.ToArray();
            return default;
        }

        public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages) => throw new InvalidOperationException("the guest knows what was written");

        public ValueTask<int> ReadAsync(Memory<byte> state, CancellationToken cancellation)
        {
            var count = Math.Min(state.Length, _state.Length - _at);
            _state.AsMemory(_at, count).CopyTo(state);
            _at += count;
            return ValueTask.FromResult(count);
        }

        public async ValueTask<PageChunk?> ReadPagesAsync(CancellationToken cancellation)
        {
            if (_left.Count == 0) return null;
            var chunk = await store._pool.RentAsync(cancellation);
            var extent = (int)(_left.Peek().Key / Paging.PagesPerExtent);
            var mask = 0UL;
            while (_left.TryPeek(out var page) && page.Key / Paging.PagesPerExtent == extent)
            {
                page.Value.CopyTo(chunk.Buffer[(BitOperations.PopCount(mask) * Paging.PageSize)..]);
                mask |= 1UL << (int)(page.Key % Paging.PagesPerExtent);
                _left.Dequeue();
            }
            chunk.Add(new(extent, mask, 0));
            return chunk;
        }

        private void Keep(PageChunk chunk)
        {
            var at = 0;
            foreach (var extent in chunk.Extents)
            {
                for (var bit = 0; bit < Paging.PagesPerExtent; bit++)
                {
                    var page = ((long)extent.Extent * Paging.PagesPerExtent) + bit;
                    if ((extent.Zero >> bit & 1) != 0) _pages.Remove(page);
                    if ((extent.Present >> bit & 1) == 0) continue;
                    _pages[page] = chunk.Pages.Slice(at++ * Paging.PageSize, Paging.PageSize).ToArray();
                }
                store.ZerosEmitted += extent.ZeroCount;
            }
            store.PagesEmitted += chunk.PageCount;
        }
    }
}
