using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Capture;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Direct;
using Cutpoint.Workers.Tests.Capture;

namespace Cutpoint.Workers.Tests.Qemu.Direct;

/// <summary>RAM in a file on tmpfs, as a guest shares it; the guest is a thread that writes to it.</summary>
public sealed class RamReaderTests : IAsyncDisposable
{
    private const int Pages = (40 * Paging.PagesPerExtent) + 2;
    private readonly string _path = Path.Combine("/dev/shm", $"cutpoint-test-{Guid.NewGuid():n}");
    private readonly FileStream _file;
    private readonly MemoryStore _store = new();
    private readonly CaptureGraph _graph;
    private readonly PageImage _image = new(Pages);
    private readonly SharedRam _ram;
    private readonly PageHashTracker _tracker = new();
    private readonly RamReader _reader;

    public RamReaderTests()
    {
        _file = new FileStream(_path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite, 1);
        _file.SetLength((long)Pages * Paging.PageSize);
        var guest = new GuestDescription { Driver = "test", Name = "g", Uri = "test:g", Blocks = [new RamBlock("ram", _file.Length)] };
        _graph = new CaptureGraph(guest, new ImageStore(_store, _image), new CaptureGraphOptions { Chunks = 8, CutChunks = 8 }, TimeProvider.System);
        _ram = SharedRam.Open("ram", _path, 0, _file.Length);
        _reader = new RamReader(_ram, _tracker, 2);
    }

    public async ValueTask DisposeAsync()
    {
        _reader.Dispose();
        _ram.Dispose();
        await _graph.DisposeAsync();
        _store.Dispose();
        await _file.DisposeAsync();
        File.Delete(_path);
    }

    [Fact]
    public async Task Pages_that_flip_between_two_contents_while_they_are_read_are_stored_as_they_stand_at_the_stop()
    {
        for (var page = 0; page < Pages; page += 3) Write(page, (byte)(1 + (page % 200)));
        using var stop = new CancellationTokenSource();
        var mutator = Task.Run(() => Flip(stop.Token));
        var sink = _graph.Block(0);
        await _reader.ReadAllAsync(sink, default);
        for (var pass = 0; pass < 10; pass++) await _reader.ReadChangesAsync(sink, default);
        await stop.CancelAsync();
        await mutator;
        await StopAndCheckAsync();
    }

    [Fact]
    public async Task Memory_given_back_while_the_guest_runs_is_zero_in_the_checkpoint_and_is_not_allocated_by_reading()
    {
        for (var page = 0; page < Pages; page++) Write(page, 7);
        await _reader.ReadAllAsync(_graph.Block(0), default);
        // Truncate and extend punches everything behind.
        _file.SetLength(5L * Paging.ExtentSize);
        _file.SetLength((long)Pages * Paging.PageSize);
        Write(Pages - 1, 9);
        var before = AllocatedBytes();
        await StopAndCheckAsync();
        Assert.Equal(before, AllocatedBytes());
    }

    [Fact]
    public async Task Holes_are_neither_stored_nor_allocated()
    {
        Write(5, 1);
        Write((20 * Paging.PagesPerExtent) + 63, 2);
        var before = AllocatedBytes();
        await _reader.ReadAllAsync(_graph.Block(0), default);
        await StopAndCheckAsync();
        Assert.Equal(2, _image.Stored);
        Assert.Equal(before, AllocatedBytes());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_hole_that_appears_in_a_whole_file_right_before_it_is_read_is_zero_in_the_checkpoint(bool inLaterPass)
    {
        for (var page = 0; page < Pages; page++) Write(page, 7);
        // As a guest gives memory back: the file keeps its length.
        var punching = new PunchingSink(_graph.Block(0), () => Assert.Equal(0, Libc.Allocate(
            _file.SafeFileHandle, Libc.PunchHole | Libc.KeepSize, 2L * Paging.ExtentSize, 30L * Paging.ExtentSize)));
        Assert.Equal(Pages, _ram.FindData().PageCount);
        if (inLaterPass) await _reader.ReadAllAsync(_graph.Block(0), default);
        // The file was found whole by now; nothing has been read.
        if (inLaterPass) await _reader.ReadChangesAsync(punching, default);
        else await _reader.ReadAllAsync(punching, default);
        Assert.True(punching.HasPunched);
        await StopAndCheckAsync();
    }

    [Fact]
    public async Task A_sample_tells_how_much_has_changed()
    {
        for (var page = 0; page < Pages; page++) Write(page, 7);
        var sink = _graph.Block(0);
        await _reader.ReadAllAsync(sink, default);
        Assert.InRange((await _reader.SampleAsync(sink, 20, default)).Expected, 1, Pages / 20);
        for (var page = 0; page < Pages; page += 2) Write(page, 8);
        Assert.InRange((await _reader.SampleAsync(sink, 20, default)).Expected, Pages * 4 / 10, Pages * 6 / 10);
        Assert.Equal(Pages / 2, (await _reader.SampleAsync(sink, 1000, default)).Expected);
    }

    [Fact]
    public async Task What_looking_at_a_sample_has_cost_becomes_the_floor_of_the_pause()
    {
        for (var page = 0; page < Pages; page++) Write(page, 7);
        var assumed = _tracker.Floor(1 << 30, 1);
        await _reader.ReadAllAsync(_graph.Block(0), default);
        await _reader.SampleAsync(_graph.Block(0), 1000, default);
        var measured = _tracker.Floor(1 << 30, 1);
        Assert.NotEqual(assumed, measured);
        Assert.InRange(measured, TimeSpan.FromMilliseconds(5), TimeSpan.FromSeconds(20));
        Assert.Equal(measured.TotalSeconds / 2, _tracker.Floor(1 << 30, 2).TotalSeconds, 5);
    }

    [Fact]
    public async Task A_pass_looks_at_what_the_tracker_names_and_at_pages_that_were_given_back()
    {
        for (var page = 0; page < Pages; page++) Write(page, 7);
        var tracker = new NamingTracker();
        using var reader = new RamReader(_ram, tracker, 2);
        await reader.ReadAllAsync(_graph.Block(0), default);
        Write(5, 8);
        Write((3 * Paging.PagesPerExtent) + 1, 8);
        Assert.Equal(0, Libc.Allocate(
            _file.SafeFileHandle, Libc.PunchHole | Libc.KeepSize, (7L * Paging.ExtentSize) + Paging.PageSize, Paging.PageSize));
        var looked = new PunchingSink(_graph.Block(0), static () => { });

        tracker.Extent = 3;
        Assert.Equal(2, await reader.ReadChangesAsync(looked, default));

        Assert.Equal([3, 7], looked.Compared.Order());
        Assert.Equal(2, tracker.Ended);
        // Page 5 was changed, and nobody said so.
        tracker.Extent = -1;
        var missed = await reader.FindMissedAsync(_graph.Block(0), _ => true, default);
        Assert.Equal((1, 1UL << 5), (missed.PageCount, missed[0]));
        Assert.Equal(0, (await reader.FindMissedAsync(_graph.Block(0), extent => extent != 0, default)).PageCount);
        tracker.Extent = 0;
        Assert.Equal(0, (await reader.FindMissedAsync(_graph.Block(0), _ => true, default)).PageCount);
        Assert.Equal(Paging.PagesPerExtent, (await reader.SampleAsync(_graph.Block(0), 1, default)).Expected);
        await StopAndCheckAsync();
    }

    [Fact]
    public async Task A_file_cut_short_while_it_is_read_is_an_error_that_names_it()
    {
        for (var page = 0; page < Pages; page++) Write(page, 7);
        await _reader.ReadAllAsync(_graph.Block(0), default);
        _file.SetLength(3L * Paging.ExtentSize);
        foreach (var read in new Func<Task>[]
        {
            () => _reader.ReadChangesAsync(_graph.Block(0), default),
            () => _reader.ReadAllAsync(_graph.Block(0), default),
        })
        {
            var error = await Assert.ThrowsAsync<SnapshotException>(read);
            Assert.Contains(_path, error.Message, StringComparison.Ordinal);
            Assert.Contains("cut short", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_file_shorter_than_its_block_is_refused_before_anything_is_read()
    {
        var error = Assert.Throws<SnapshotException>(() => SharedRam.Open("ram", _path, 0, _file.Length + Paging.PageSize));
        Assert.Contains(_path, error.Message, StringComparison.Ordinal);
    }

    /// <summary>Names the pages of one extent.</summary>
    private sealed class NamingTracker : IDirtyTracker
    {
        public int Extent { get; set; }

        public int Ended { get; private set; }

        public string Name => "a test";

        public TimeSpan Floor(long dataBytes, int processors) => TimeSpan.Zero;

        public void Observe(long octets, TimeSpan work)
        {
        }

        public void BeginPass()
        {
        }

        public void BeforeFirstRead(int first, int last)
        {
        }

        public void EndPass() => Ended++;

        public ulong MayHaveChanged(int extent) => extent == Extent ? ulong.MaxValue : 0;

        public PageSet Pending()
        {
            var pages = new PageSet((Pages + Paging.PagesPerExtent - 1) / Paging.PagesPerExtent);
            if (Extent >= 0) pages.Add(Extent, ulong.MaxValue);
            return pages;
        }

        public void Dispose()
        {
        }
    }

    /// <summary>Does something at the first call a reader makes, which comes after its search for holes.</summary>
    private sealed class PunchingSink(IUnitSink inner, Action punch) : IUnitSink
    {
        private int _calls;

        public bool HasPunched => _calls > 0;

        public System.Collections.Concurrent.ConcurrentBag<int> Compared { get; } = [];

        public ValueTask<PageChunk> RentAsync(CancellationToken cancellation)
        {
            Punch();
            return inner.RentAsync(cancellation);
        }

        public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages)
        {
            Punch();
            Compared.Add(extent);
            return inner.Compare(extent, pages);
        }

        public ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation) => inner.EmitAsync(chunk, cancellation);

        public ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation) => inner.WriteAsync(state, cancellation);

        private void Punch()
        {
            if (Interlocked.Increment(ref _calls) == 1) punch();
        }
    }

    private async Task StopAndCheckAsync()
    {
        await _graph.EnterCutAsync(default);
        await _reader.ReadChangesAsync(_graph.Block(0), default);
        _graph.LeaveCut();
        await _graph.DrainAsync(default);
        var truth = new byte[_file.Length];
        _file.Position = 0;
        await _file.ReadExactlyAsync(truth);
        _image.AssertEquals(truth);
    }

    private void Flip(CancellationToken stop)
    {
        var random = new Random(1);
        var half = new byte[Paging.PageSize / 2];
        for (var n = 0; !stop.IsCancellationRequested; n++)
        {
            var page = random.Next(Pages);
            // Half a page at a time, so that a reader can meet a torn one.
            half.AsSpan().Fill((byte)(n % 5 == 0 ? 0 : (n & 1) + 100));
            RandomAccess.Write(_file.SafeFileHandle, half, (long)page * Paging.PageSize);
            if (n % 7 == 0) Thread.Yield();
            RandomAccess.Write(_file.SafeFileHandle, half, ((long)page * Paging.PageSize) + half.Length);
        }
    }

    private void Write(int page, byte content)
    {
        Span<byte> octets = stackalloc byte[Paging.PageSize];
        octets.Fill(content);
        RandomAccess.Write(_file.SafeFileHandle, octets, (long)page * Paging.PageSize);
    }

    /// <summary>What the file really occupies.</summary>
    private long AllocatedBytes()
    {
        using var du = System.Diagnostics.Process.Start(
            new System.Diagnostics.ProcessStartInfo("stat", ["-c", "%b", _path]) { RedirectStandardOutput = true })!;
        return long.Parse(du.StandardOutput.ReadToEnd(), System.Globalization.CultureInfo.InvariantCulture) * 512;
    }
}
