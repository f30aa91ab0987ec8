using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Workers.Tests.Capture;

public sealed class CaptureGraphTests : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly MemoryStore _inner = new();
    private readonly HookedStore _store;
    private readonly CaptureGraph _graph;

    public CaptureGraphTests()
    {
        _store = new HookedStore(_inner);
        var guest = new GuestDescription { Driver = "test", Name = "g", Uri = "test:g", Blocks = [new RamBlock("ram", 256L << 20)] };
        _graph = new CaptureGraph(guest, _store, new CaptureGraphOptions { Chunks = 4, CutChunks = 3, Sections = 2 }, TimeProvider.System);
    }

    private IUnitSink Sink => _graph.Block(0);

    public async ValueTask DisposeAsync()
    {
        await _graph.DisposeAsync();
        _inner.Dispose();
    }

    [Fact]
    public async Task A_slow_store_holds_the_readers_back_and_memory_stays_at_the_chunks_there_are()
    {
        var gate = new TaskCompletionSource();
        _store.OnAppend = () => gate.Task;
        var emitted = 0;
        var emitting = Task.Run(async () =>
        {
            for (var extent = 0; extent < 40; extent++)
            {
                await EmitAsync(extent);
                Interlocked.Increment(ref emitted);
            }
        });
        // Two sections are encoded and wait, one more is held by the stage, the rest waits as chunks.
        await UntilAsync(() => Volatile.Read(ref emitted) >= 6);
        Assert.InRange(Volatile.Read(ref emitted), 6, 4 + 2);
        Assert.False(emitting.IsCompleted);
        gate.SetResult();
        await emitting.WaitAsync(Patience);
        await _graph.DrainAsync(default).WaitAsync(Patience);
        Assert.Equal(Enumerable.Range(0, 40), _inner.Appended.Select(e => e.Extent));
    }

    [Fact]
    public async Task Pages_emitted_later_are_appended_later()
    {
        for (var round = 0; round < 30; round++) await EmitAsync(round % 3);
        await _graph.DrainAsync(default).WaitAsync(Patience);
        Assert.Equal(Enumerable.Range(0, 30).Select(i => i % 3), _inner.Appended.Select(e => e.Extent));
    }

    [Fact]
    public async Task In_the_cut_the_final_pass_waits_for_nobody_while_its_buffer_lasts()
    {
        var gate = new TaskCompletionSource();
        _store.OnAppend = () => gate.Task;
        for (var extent = 0; extent < 4; extent++) await EmitAsync(extent);
        await _graph.EnterCutAsync(default).WaitAsync(Patience);
        for (var extent = 10; extent < 13; extent++)
        {
            var emit = EmitAsync(extent);
            Assert.True(emit.IsCompletedSuccessfully);
            await emit;
        }
        Assert.Equal(0, _graph.Counters.OverflowBytes);

        // One more than the buffer holds: now the stopped guest waits for the store.
        var overflow = Task.Run(async () =>
        {
            for (var extent = 13; extent < 20; extent++) await EmitAsync(extent);
        });
        gate.SetResult();
        await overflow.WaitAsync(Patience);
        _graph.LeaveCut();
        await _graph.DrainAsync(default).WaitAsync(Patience);
        Assert.True(_graph.Counters.OverflowBytes > 0);
        Assert.Equal(Enumerable.Range(0, 4).Concat(Enumerable.Range(10, 10)), _inner.Appended.Select(e => e.Extent));
    }

    [Fact]
    public async Task Nothing_is_encoded_while_the_guest_is_stopped()
    {
        var encoded = 0;
        _store.OnEncode = () => Interlocked.Increment(ref encoded);
        await _graph.EnterCutAsync(default).WaitAsync(Patience);
        await EmitAsync(0);
        await EmitAsync(1);
        Assert.Equal(0, Volatile.Read(ref encoded));
        _graph.LeaveCut();
        await _graph.DrainAsync(default).WaitAsync(Patience);
        Assert.Equal(2, encoded);
    }

    [Fact]
    public async Task What_passes_have_stored_goes_to_the_disk_while_the_guest_is_stopped()
    {
        var appendedBefore = -1;
        _store.OnSettle = () => appendedBefore = _inner.Appended.Count;
        await EmitAsync(0);
        await _graph.DrainAsync(default).WaitAsync(Patience);
        Assert.Equal(-1, appendedBefore);
        await _graph.EnterCutAsync(default).WaitAsync(Patience);
        Assert.Equal(1, appendedBefore);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_fault_of_the_store_reaches_whoever_reads_and_whoever_waits(bool inAppend)
    {
        if (inAppend) _store.OnAppend = () => Task.FromException(new SnapshotException(ErrorCode.NoSpace, "full"));
        else _store.OnEncode = () => throw new SnapshotException(ErrorCode.NoSpace, "full");
        var reading = Task.Run(async () =>
        {
            for (var extent = 0; ; extent = (extent + 1) % 1000) await EmitAsync(extent);
        });
        var error = await Assert.ThrowsAsync<SnapshotException>(() => reading.WaitAsync(Patience));
        Assert.Equal(ErrorCode.NoSpace, error.Code);
        error = await Assert.ThrowsAsync<SnapshotException>(() => _graph.DrainAsync(default).WaitAsync(Patience));
        Assert.Equal(ErrorCode.NoSpace, error.Code);
        Assert.True(_graph.Ending.IsCancellationRequested);
    }

    [Fact]
    public async Task Cancellation_ends_a_wait_for_a_chunk()
    {
        var chunks = new List<PageChunk>();
        for (var i = 0; i < 4; i++) chunks.Add(await Sink.RentAsync(default));
        using var cancel = new CancellationTokenSource();
        var waiting = Sink.RentAsync(cancel.Token).AsTask();
        Assert.False(waiting.IsCompleted);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        chunks.ForEach(c => c.Dispose());
        (await Sink.RentAsync(default)).Dispose();
    }

    [Fact]
    public async Task The_rate_of_the_sink_is_known_after_its_first_section()
    {
        Assert.Null(_graph.SinkBytesPerSecond);
        await EmitAsync(0);
        await _graph.DrainAsync(default).WaitAsync(Patience);
        Assert.True(_graph.SinkBytesPerSecond > 0);
    }

    [Fact]
    public async Task The_state_of_a_unit_without_pages_is_stored_when_the_graph_is_drained()
    {
        var unit = new UnitRegistration(UnitKind.Internal, new UnitKey("cpu", 0), 3, 10, new UnitCallbacks());
        for (var pass = 0; pass < 2; pass++)
        {
            var sink = await _graph.OpenAsync(unit, UnitRegistration.FinalPass, _ => { }, default);
            await sink.WriteAsync(new byte[] { 1, 2 }, default);
            await sink.WriteAsync(new byte[] { (byte)pass }, default);
            await _graph.CloseAsync(unit, UnitRegistration.FinalPass, succeeded: true);
        }
        Assert.Empty(_inner.Devices);
        await _graph.DrainAsync(default).WaitAsync(Patience);
        var state = Assert.Single(_inner.Devices);
        Assert.Equal((new UnitKey("cpu", 0), 3u), (state.Unit, state.Version));
        Assert.Equal([1, 2, 1], state.State.ToArray());
    }

    /// <summary>Emits one page of an extent with a content never seen before.</summary>
    private async ValueTask EmitAsync(int extent)
    {
        var chunk = await Sink.RentAsync(default);
        chunk.Buffer[..Paging.PageSize].Clear();
        System.Buffers.Binary.BinaryPrimitives.WriteInt32LittleEndian(chunk.Buffer, Interlocked.Increment(ref _serial));
        chunk.Add(new ExtentPages(extent, 1, 0));
        await Sink.EmitAsync(chunk, default);
    }

    private int _serial;

    private static async Task UntilAsync(Func<bool> condition)
    {
        using var late = new CancellationTokenSource(Patience);
        while (!condition()) await Task.Delay(1, late.Token);
        // Long enough for whatever would still follow.
        await Task.Delay(50, late.Token);
    }
}
