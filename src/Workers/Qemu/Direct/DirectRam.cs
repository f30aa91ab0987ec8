using System.Security.Cryptography;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// The shared RAM blocks of a guest as units. Each block reads itself in its passes; the first one votes for all of them, since there is only one pause.
/// After every pass a sample tells how much the guest has dirtied meanwhile, so that a guest that hardly writes needs no further pass to be believed.
/// </summary>
internal sealed class DirectRam : IDisposable
{
    /// <summary>Extents looked at to tell how much is dirty: 32 MiB of guest memory, a few milliseconds.</summary>
    private const int SampledExtents = 128;

    /// <summary>
    /// Of so many extents one is looked at after the pause. A kernel that notes no writes at all is found out in every take of a guest that wrote to a hundred extents, but for
    /// one in half a million.
    /// </summary>
    private const int SpotCheck = 8;

    /// <summary>
    /// Octets per second at which changed pages get into the cut buffer: compared, copied, hashed again. A third of what memory is copied at.
    /// </summary>
    private const double CopyRate = 3e9;

    /// <summary>Octets per second a stop in which everything is read proceeds at: that of the compression, by a safe margin.</summary>
    private const double StopRate = 3e8;

    private readonly List<Block> _blocks = [];
    private readonly RamVoterOptions _goal;
    private readonly int _shards;
    private readonly double _contention;
    private readonly TimeProvider _time;
    private readonly TimeSpan _devices;
    private readonly PrivateMemory _others;
    private ICaptureSinks? _sinks;
    private Task _setUp = Task.CompletedTask;
    private RamVoter _voter;
    private long _passStarted;
    private long _dirtyPages;
    private long _rest;

    /// <summary>Takes the shared blocks over.</summary>
    /// <param name="files">Their files and what tells their changes; disposed with this.</param>
    /// <param name="options">Decides what the vote aims at.</param>
    /// <param name="devices">What writing the device state is expected to take.</param>
    /// <param name="others">The blocks that are written with it.</param>
    /// <param name="time">The clock.</param>
    public DirectRam(
        IEnumerable<(SharedRam File, IDirtyTracker Tracker)> files, CaptureOptions options, TimeSpan devices, PrivateMemory others, TimeProvider time)
    {
        // The guests of a group look for dirty pages at the same time, on the same processors.
        _shards = Math.Clamp(Environment.ProcessorCount / options.GroupSize, 1, 16);
        _contention = Math.Max(1, (double)options.GroupSize * _shards / Environment.ProcessorCount);
        _time = time;
        _devices = devices;
        _others = others;
        foreach (var (file, tracker) in files) _blocks.Add(new Block(file, tracker, new RamReader(file, tracker, _shards)));
        _goal = RamVoterOptions.Of(options);
        _voter = new RamVoter(_goal);
    }

    /// <summary>Time to stop and to continue a guest, both together; measured at about 1.2 ms.</summary>
    public static TimeSpan StopAndContinue { get; } = TimeSpan.FromMilliseconds(2);

    /// <summary>The shortest pause there can be.</summary>
    /// <param name="all">True when everything is read in the stop.</param>
    public TimeSpan PauseFloor(bool all) =>
        Costs().Floor + (all ? TimeSpan.FromSeconds(_blocks.Sum(b => b.Reader.DataBytes) / StopRate) : TimeSpan.Zero);

    /// <summary>Octets the pass under way has to look at.</summary>
    public long PassBytes => _blocks.Sum(b => b.Reader.PassBytes);

    /// <summary>Inodes of the files.</summary>
    public IReadOnlySet<ulong> Inodes => _blocks.Select(block => block.File.Inode).ToHashSet();

    /// <summary>The dirty tracker in use, for people.</summary>
    public string TrackerName => _blocks[0].Tracker.Name;

    /// <summary>True when changes are known by looking at every page.</summary>
    public bool IsCertain => _blocks.All(block => block.Tracker is PageHashTracker);

    /// <summary>Says where pages go; before the first pass.</summary>
    /// <param name="sinks">There.</param>
    /// <param name="setUp">What has to be over when the first pass is.</param>
    public void Begin(ICaptureSinks sinks, Task setUp) => (_sinks, _setUp) = (sinks, setUp);

    /// <summary>The unit of a block.</summary>
    /// <param name="block">The block.</param>
    public UnitCallbacks CallbacksOf(RamBlock block)
    {
        var index = _blocks.FindIndex(b => b.File.Name == block.Name);
        if (index < 0) return new UnitCallbacks();
        var own = _blocks[index];
        return new UnitCallbacks
        {
            LivePrepare = index > 0 ? null : (_, _) =>
            {
                // An attempt to cut that was void has used up passes that are not those of this one.
                _voter = new RamVoter(_goal);
                return default;
            },
            LiveExecute = async (context, pass, cancellation) =>
            {
                if (index == 0) (_passStarted, _dirtyPages, _rest) = (_time.GetTimestamp(), 0, 0);
                if (own.WasRead) _dirtyPages += await own.Reader.ReadChangesAsync(context.Sink, cancellation);
                else _dirtyPages += await ReadAllAsync(own, context.Sink, cancellation);
                own.WasRead = true;
                _rest += (await own.Reader.SampleAsync(context.Sink, SampledExtents, cancellation)).Expected * Paging.PageSize;
                return LiveOutcome.Continue;
            },
            LiveVote = index > 0 ? null : (context, pass, _) => ValueTask.FromResult(Vote(context, pass)),
            SaveExecute = async (context, cancellation) =>
            {
                if (own.WasRead) await own.Reader.ReadChangesAsync(context.Sink, cancellation);
                else await own.Reader.ReadAllAsync(context.Sink, cancellation);
                own.WasRead = true;
            },
        };
    }

    /// <summary>
    /// After the pause, where the changes were told by anything else than the pages themselves: looks whether pages differ from what was emitted though they are
    /// said not to have changed. They would have been missed, and the checkpoint be wrong.
    /// </summary>
    /// <param name="numberOf">The number of a block in the guest's description.</param>
    /// <param name="isAlone">
    /// Whether nobody but QEMU can write to the memory. Then what there is to find is a kernel that does not do what it says, which shows everywhere, and a part of the
    /// pages is looked at, another one each time. Else all.
    /// </param>
    /// <param name="cancellation">Ends the look.</param>
    /// <exception cref="SnapshotException">There are such pages (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    public async Task VerifyAsync(Func<string, int> numberOf, bool isAlone, CancellationToken cancellation)
    {
        foreach (var block in _blocks)
        {
            // Nothing a guest could foresee.
            Func<int, bool> isChosen = isAlone ? _ => RandomNumberGenerator.GetInt32(SpotCheck) == 0 : _ => true;
            var missed = await block.Reader.FindMissedAsync(_sinks!.Block(numberOf(block.File.Name)), isChosen, cancellation);
            if (missed.PageCount == 0) continue;
            var extent = missed.Next(0);
            var first = ((long)extent * Paging.PagesPerExtent) + System.Numerics.BitOperations.TrailingZeroCount(missed[extent]);
            throw new SnapshotException(
                ErrorCode.VerificationFailed,
                $"RAM block '{block.File.Name}': {missed.PageCount} pages were written past {block.Tracker.Name}, the first of them page {first}; the checkpoint would be wrong",
                "something else than this QEMU writes to its memory; take the guest with --tracking hashes");
        }
    }

    /// <summary>Ends to follow what the guest writes. No pass may come after it.</summary>
    public void StopTracking()
    {
        foreach (var block in _blocks) block.Tracker.Dispose();
    }

    public void Dispose()
    {
        StopTracking();
        foreach (var block in _blocks)
        {
            block.Reader.Dispose();
            block.File.Dispose();
        }
    }

    /// <summary>Reads all of a block while QEMU is set up. When that fails, nobody waits for the end of the pass.</summary>
    private async Task<long> ReadAllAsync(Block block, IUnitSink sink, CancellationToken cancellation)
    {
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var pages = block.Reader.ReadAllAsync(sink, ending.Token);
        try
        {
            await _setUp.WaitAsync(cancellation);
        }
        catch
        {
            await ending.CancelAsync();
            await ((Task)pages).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        return await pages;
    }

    private Vote Vote(SaveContext context, uint pass)
    {
        _sinks!.Expect(_rest);
        var vote = _voter.Decide(context.Unit.Key, new RamPass(
            pass, _dirtyPages, _dirtyPages * Paging.PageSize, _time.GetElapsedTime(_passStarted), Costs()) { Rest = _rest });
        context.ReportPercent(_voter.Percent);
        return vote;
    }

    private PauseModel Costs() => new()
    {
        Stop = StopAndContinue / 2,
        Continue = StopAndContinue / 2,
        Devices = _devices + _others.Pause,
        TrackerFloor = _blocks.Aggregate(
            TimeSpan.Zero, (sum, b) => sum + ((b.Reader.SearchTime + b.Tracker.Floor(b.Reader.DataBytes, _shards)) * _contention)),
        CutBuffer = _sinks?.CutBufferBytes ?? 0,
        CopyRate = CopyRate,
        SinkRate = _sinks?.SinkBytesPerSecond ?? 0,
    };

    private sealed record Block(SharedRam File, IDirtyTracker Tracker, RamReader Reader)
    {
        public bool WasRead { get; set; }
    }
}
