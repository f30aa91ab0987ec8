using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Restore;

/// <summary>A stored guest as units load it: RAM blocks in order, then devices. One reader at a time.</summary>
internal sealed class StoredSections(StoredGuest guest, UnitRegistry units) : IUnitSections, IAsyncDisposable
{
    /// <summary>The version of a RAM block's data, pages at their places, which has no other.</summary>
    private const uint PagesVersion = 1;

    private int _next;
    private Source? _source;

    public long? Length { get; } = guest.Blocks.Sum(block => block.Length) + guest.Devices.Sum(device => (long)device.State.Length);

    public bool IsLive => false;

    public ValueTask<UnitSection?> NextAsync(Action<long> consumed, CancellationToken cancellation)
    {
        var number = _next++;
        UnitSection? section = null;
        if (number < guest.Blocks.Count)
        {
            // The version is the unit's own business; a checkpoint stores none for pages.
            var key = new UnitKey(guest.Blocks[number].Name, 0);
            var pages = guest.Reader.ReadInOrderAsync([guest.WholeBlock(number)], Exporter.Chunks, cancellation).GetAsyncEnumerator(cancellation);
            _source = new PageSource(key, pages, consumed);
            section = new UnitSection(key, units.Units.FirstOrDefault(unit => unit.Key == key)?.Version ?? PagesVersion, UnitRegistration.FinalPass, _source);
        }
        else if (number - guest.Blocks.Count < guest.Devices.Count)
        {
            var device = guest.Devices[number - guest.Blocks.Count];
            _source = new StateSource(device.Unit, device.State, consumed);
            section = new UnitSection(device.Unit, device.Version, UnitRegistration.FinalPass, _source);
        }
        return ValueTask.FromResult(section);
    }

    public async ValueTask EndAsync(bool skip, CancellationToken cancellation)
    {
        if (_source is not { } source) return;
        _source = null;
        await using (source)
        {
            if (skip || await source.IsAtEndAsync(cancellation)) return;
        }
        throw new UnitException(SavedStateStatus.LoadedTooLittle, $"unit {source.Key} did not take all of its state", "restore it with the release that saved it");
    }

    public async ValueTask DisposeAsync()
    {
        if (_source is not null) await _source.DisposeAsync();
    }

    private abstract class Source(UnitKey key) : IUnitSource, IAsyncDisposable
    {
        public UnitKey Key => key;

        public abstract ValueTask<bool> IsAtEndAsync(CancellationToken cancellation);

        public virtual ValueTask<int> ReadAsync(Memory<byte> state, CancellationToken cancellation) => throw Wrong("pages, not octets");

        public virtual ValueTask<PageChunk?> ReadPagesAsync(CancellationToken cancellation) => throw Wrong("octets, not pages");

        public virtual ValueTask DisposeAsync() => ValueTask.CompletedTask;

        private UnitException Wrong(string what) => new(SavedStateStatus.UnitFormatChanged, $"the checkpoint holds {what} for unit {key}", "restore it into the same kind of guest");
    }

    private sealed class PageSource(UnitKey key, IAsyncEnumerator<PageChunk> pages, Action<long> consumed) : Source(key)
    {
        public override async ValueTask<PageChunk?> ReadPagesAsync(CancellationToken cancellation)
        {
            if (!await pages.MoveNextAsync()) return null;
            foreach (var extent in pages.Current.Extents) consumed((long)(extent.PresentCount + extent.ZeroCount) * Paging.PageSize);
            return pages.Current;
        }

        public override async ValueTask<bool> IsAtEndAsync(CancellationToken cancellation)
        {
            if (!await pages.MoveNextAsync()) return true;
            pages.Current.Dispose();
            return false;
        }

        public override async ValueTask DisposeAsync()
        {
            await pages.DisposeAsync();
            await base.DisposeAsync();
        }
    }

    private sealed class StateSource(UnitKey key, ReadOnlyMemory<byte> state, Action<long> consumed) : Source(key)
    {
        private int _position;

        public override ValueTask<int> ReadAsync(Memory<byte> destination, CancellationToken cancellation)
        {
            var count = Math.Min(destination.Length, state.Length - _position);
            state.Slice(_position, count).CopyTo(destination);
            _position += count;
            consumed(count);
            return ValueTask.FromResult(count);
        }

        public override ValueTask<bool> IsAtEndAsync(CancellationToken cancellation) => ValueTask.FromResult(_position == state.Length);
    }
}
