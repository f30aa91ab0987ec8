using System.Collections.Immutable;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>
/// How many guests of a job stand where, kept with every change, so that a decision over a thousand guests costs what it costs over two. Immutable.
/// </summary>
internal readonly record struct StageCounts
{
    private static readonly int Stages = Enum.GetValues<GuestStage>().Length;

    private readonly ImmutableArray<int> _counts;

    private StageCounts(ImmutableArray<int> counts) => _counts = counts;

    /// <summary>So many guests of which nothing is known.</summary>
    public static StageCounts Planned(int guests) =>
        new(ImmutableArray.Create(new int[2 * Stages]).SetItem((int)GuestStage.Planned, guests));

    /// <summary>Guests there that are to be in the checkpoint.</summary>
    public int this[GuestStage stage] => _counts[(int)stage];

    /// <summary>Guests the job goes on without.</summary>
    public int Missing
    {
        get
        {
            var missing = 0;
            foreach (var count in _counts.AsSpan()[Stages..]) missing += count;
            return missing;
        }
    }

    /// <summary>Guests whose capture has ended, in the checkpoint or not.</summary>
    public int Closed => this[GuestStage.Closed] + _counts[Stages + (int)GuestStage.Closed];

    /// <summary>After one guest has changed.</summary>
    public StageCounts After(GuestProgress before, GuestProgress now)
    {
        var (from, to) = (Place(before), Place(now));
        return from == to ? this : new StageCounts(_counts.SetItem(from, _counts[from] - 1).SetItem(to, _counts[to] + 1));
    }

    private static int Place(GuestProgress guest) => (int)guest.Stage + (guest.Missing is null ? 0 : Stages);
}
