using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Reference;

/// <summary>
/// How far one capture has read a guest's RAM, and what that cost: the numbers its vote rests on. Blocks may be executed side by side; votes come between.
/// </summary>
internal sealed class ReferenceReader(ReferenceGuest guest, TimeProvider time)
{
    private readonly bool[] _whole = new bool[guest.Memory.Count];
    private RamVoterOptions? _goal;
    private RamVoter? _voter;
    private ICaptureSinks? _sinks;
    private long _passPages;
    private long _octets;
    private long _readTicks;
    private long _began;
    private long _octetsBefore;

    /// <summary>Octets the next execution of all blocks looks at.</summary>
    public long PassOctets => guest.Memory.Select((memory, block) => _whole[block] ? memory.DirtyPages * Paging.PageSize : memory.Block.Length).Sum();

    /// <summary>What the votes of a capture aim at, and what it knows of the sink.</summary>
    public void Aim(RamVoterOptions goal, ICaptureSinks sinks) => (_goal, _sinks) = (goal, sinks);

    /// <summary>The votes of a save begin: they know nothing of those before.</summary>
    public void BeginVotes() => _voter = null;

    /// <summary>True when the block was read as a whole, so that what was written since is all there is.</summary>
    public bool HasWhole(int block) => _whole[block];

    public void GotWhole(int block) => _whole[block] = true;

    /// <summary>An execution begins; the first one of a pass starts its clock.</summary>
    public void Begin() => Interlocked.CompareExchange(ref _began, time.GetTimestamp(), 0);

    /// <summary>Pages were read.</summary>
    /// <param name="pages">How many.</param>
    /// <param name="since">The timestamp their reading began at.</param>
    public void Count(int pages, long since)
    {
        Interlocked.Add(ref _passPages, pages);
        Interlocked.Add(ref _octets, (long)pages * Paging.PageSize);
        Interlocked.Add(ref _readTicks, time.GetElapsedTime(since).Ticks);
    }

    /// <summary>The vote of the whole RAM after a pass.</summary>
    public Vote Decide(SaveContext context, uint pass)
    {
        _voter ??= new RamVoter(_goal ?? new() { Budget = context.MaxDowntime ?? CaptureOptions.DefaultDowntime, CutAnyway = true });
        var rest = guest.Memory.Sum(static m => m.DirtyPages) * Paging.PageSize;
        var readRate = _readTicks > 0 ? _octets / TimeSpan.FromTicks(_readTicks).TotalSeconds : double.PositiveInfinity;
        var costs = new PauseModel
        {
            TrackerFloor = ReferenceCapture.Floor,
            CutBuffer = _sinks?.CutBufferBytes ?? 0,
            CopyRate = readRate,
            SinkRate = _sinks?.SinkBytesPerSecond ?? readRate,
        };
        var vote = _voter.Decide(context.Unit.Key, new(pass, _passPages, _octets - _octetsBefore, time.GetElapsedTime(_began), costs) { Rest = rest });
        context.ReportPercent(_voter.Percent);
        _sinks?.Expect(rest);
        (_passPages, _began, _octetsBefore) = (0, 0, _octets);
        return vote;
    }
}
