using Cutpoint.Guests;
using Cutpoint.Units;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Shared.Tests.Units;

public sealed class RamVoterTests
{
    private static readonly UnitKey Ram = new("pc.ram", 0);

    /// <summary>10 ms to stop and look, 1 GiB/s into a buffer of 64 MiB, 100 MiB/s behind it.</summary>
    private static readonly PauseModel Costs = new()
    {
        Stop = TimeSpan.FromMilliseconds(2),
        TrackerFloor = TimeSpan.FromMilliseconds(5),
        Devices = TimeSpan.FromMilliseconds(2),
        Continue = TimeSpan.FromMilliseconds(1),
        CutBuffer = 64L << 20,
        CopyRate = 1L << 30,
        SinkRate = 100L << 20,
    };

    [Theory]
    [InlineData(0, 10)]
    [InlineData(32, 10 + 31.25)]
    [InlineData(64, 10 + 62.5)]
    [InlineData(164, 10 + 62.5 + 1000)]
    public void The_pause_is_the_sum_of_its_parts(long restMiB, double milliseconds) =>
        Assert.Equal(milliseconds, Costs.Predict(restMiB << 20).TotalMilliseconds, 3);

    [Fact]
    public void A_sink_that_stands_still_makes_an_endless_pause_only_when_it_is_needed()
    {
        var stuck = Costs with { SinkRate = 0 };
        Assert.Equal(Costs.Predict(64 << 20), stuck.Predict(64 << 20));
        Assert.Equal(TimeSpan.MaxValue, stuck.Predict((64 << 20) + 1));
    }

    [Fact]
    public void Pass_0_tells_nothing_about_the_guest_so_another_is_needed()
    {
        var vote = Voter(300).Decide(Ram, Pass(0, 262144));
        Assert.Equal(VoteDecision.AnotherPass, vote.Decision);
        Assert.Null(vote.PredictedPause);
    }

    [Fact]
    public void A_tracker_that_knows_the_rest_may_be_satisfied_after_pass_0()
    {
        var vote = Voter(300).Decide(Ram, Pass(0, 262144) with { Rest = 16 << 20 });
        Assert.Equal(VoteDecision.Done, vote.Decision);
        Assert.Equal(25.625, vote.PredictedPause!.Value.TotalMilliseconds, 3);
    }

    [Fact]
    public void Satisfied_when_the_prediction_fits_the_budget_and_the_vote_carries_its_numbers()
    {
        var voter = Voter(50);
        Assert.Equal(VoteDecision.AnotherPass, voter.Decide(Ram, Pass(0, 262144, 2)).Decision);
        Assert.Equal(VoteDecision.AnotherPass, voter.Decide(Ram, Pass(1, 16384, 0.3)).Decision);
        Assert.InRange(voter.Percent, 60, 70);
        var vote = voter.Decide(Ram, Pass(2, 8192, 0.2));
        Assert.Equal(VoteDecision.Done, vote.Decision);
        Assert.Equal("41.3 ms fit the budget of 50 ms", vote.Reason);
        Assert.Equal(8192, vote.Numbers["dirty_pages"]);
        Assert.Equal(8192 * 4096, vote.Numbers["rest_bytes"]);
        Assert.Equal(0.010, vote.Numbers["pause_floor_seconds"], 6);
        Assert.Equal(100L << 20, vote.Numbers["sink_bytes_per_second"]);
        Assert.Equal(vote.PredictedPause!.Value.TotalSeconds, vote.Numbers["predicted_pause_seconds"], 6);
        Assert.Equal(100, voter.Percent);
    }

    [Fact]
    public void A_pass_that_took_longer_than_the_one_before_leaves_more_behind()
    {
        var voter = Voter(300);
        voter.Decide(Ram, Pass(0, 262144, 1));
        Assert.Equal(2 * 1000 * 4096, voter.Decide(Ram, Pass(1, 1000, 2)).Numbers["rest_bytes"]);
        Assert.Equal(1000 * 4096, voter.Decide(Ram, Pass(2, 1000, 0.5)).Numbers["rest_bytes"]);
    }

    [Theory]
    [InlineData(false, VoteDecision.GiveUp)]
    [InlineData(true, VoteDecision.Done)]
    public void A_guest_that_rewrites_the_same_pages_gets_only_passes_that_help(bool cutAnyway, VoteDecision end)
    {
        var voter = Voter(50, cutAnyway);
        voter.Decide(Ram, Pass(0, 262144));
        Assert.Equal(VoteDecision.AnotherPass, voter.Decide(Ram, Pass(1, 50_000)).Decision);
        Assert.Equal(VoteDecision.AnotherPass, voter.Decide(Ram, Pass(2, 40_000)).Decision);
        Assert.Equal(VoteDecision.AnotherPass, voter.Decide(Ram, Pass(3, 40_500)).Decision);
        Assert.Equal(end, voter.Decide(Ram, Pass(4, 39_900)).Decision);
    }

    [Fact]
    public void One_burst_of_writes_does_not_end_the_passes()
    {
        var voter = Voter(20);
        voter.Decide(Ram, Pass(0, 262144));
        voter.Decide(Ram, Pass(1, 20_000));
        Assert.Equal(VoteDecision.AnotherPass, voter.Decide(Ram, Pass(2, 200_000)).Decision);
        Assert.Equal(VoteDecision.AnotherPass, voter.Decide(Ram, Pass(3, 10_000)).Decision);
        Assert.Equal(VoteDecision.Done, voter.Decide(Ram, Pass(4, 1_000)).Decision);
    }

    [Fact]
    public void A_budget_below_the_floor_is_given_up_as_soon_as_the_floor_is_known()
    {
        var voter = Voter(5);
        voter.Decide(Ram, Pass(0, 262144));
        var vote = voter.Decide(Ram, Pass(1, 10));
        Assert.Equal((VoteDecision.GiveUp, "no pause can be shorter than 10 ms, the budget is 5 ms"), (vote.Decision, vote.Reason));
    }

    [Fact]
    public void With_cut_anyway_a_floor_above_the_budget_still_gets_the_passes_that_help()
    {
        var voter = Voter(5, cutAnyway: true);
        voter.Decide(Ram, Pass(0, 262144));
        var decisions = Enumerable.Range(1, 5).Select(p => voter.Decide(Ram, Pass((uint)p, 100_000 >> (4 * p))).Decision).ToList();
        var end = decisions.IndexOf(VoteDecision.Done);
        Assert.InRange(end, 2, 4);
        Assert.All(decisions.Take(end), d => Assert.Equal(VoteDecision.AnotherPass, d));
    }

    [Fact]
    public void The_prediction_rises_with_the_rest_and_never_lies_below_the_floor() =>
        Prop.ForAll(Models.ToArbitrary(), Rests.ToArbitrary(), Rests.ToArbitrary(), (model, a, b) =>
        {
            var (less, more) = (model.Predict(Math.Min(a, b)), model.Predict(Math.Max(a, b)));
            return less <= more && less >= model.Floor && model.Predict(0) == model.Floor;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Every_guest_is_cut_or_given_up_within_the_passes_allowed_and_done_without_cut_anyway_means_that_it_fits() =>
        Prop.ForAll(Guests.ToArbitrary(), guest =>
        {
            var options = new RamVoterOptions { Budget = guest.Budget, MaxPasses = guest.MaxPasses, CutAnyway = guest.CutAnyway };
            var voter = new RamVoter(options);
            for (var pass = 0U; pass < guest.MaxPasses; pass++)
            {
                var vote = voter.Decide(Ram, new(pass, guest.Dirty[pass % guest.Dirty.Length], 0, guest.Durations[pass % guest.Durations.Length], guest.Model));
                if (vote.Decision == VoteDecision.AnotherPass) continue;
                return vote.Decision switch
                {
                    VoteDecision.Done => guest.CutAnyway || vote.PredictedPause <= guest.Budget,
                    VoteDecision.GiveUp => !guest.CutAnyway,
                    _ => false,
                };
            }
            return false;
        }).QuickCheckThrowOnFailure();

    private static Gen<long> Rests => Gen.OneOf(Gen.Constant(0L), Gen.Choose(0, int.MaxValue).Select(x => (long)x), Gen.Choose(0, int.MaxValue).Select(x => (long)x << 31));

    private static Gen<TimeSpan> Times => Gen.Choose(0, 10_000).Select(ms => TimeSpan.FromMilliseconds(ms));

    private static Gen<PauseModel> Models =>
        from stop in Times
        from floor in Times
        from buffer in Gen.Choose(0, 1 << 30)
        from copy in Gen.Choose(0, int.MaxValue)
        from sink in Gen.Choose(0, int.MaxValue)
        from devices in Times
        select new PauseModel { Stop = stop, TrackerFloor = floor, CutBuffer = buffer, CopyRate = copy, SinkRate = sink, Devices = devices };

    private static Gen<WritingGuest> Guests =>
        from model in Models
        from budget in Times
        from passes in Gen.Choose(1, 40)
        from anyway in Gen.Elements(true, false)
        from dirty in Gen.Choose(0, 1 << 24).Select(x => (long)x).ArrayOf().Where(a => a.Length > 0)
        from durations in Times.ArrayOf().Where(a => a.Length > 0)
        select new WritingGuest(model, budget, (uint)passes, anyway, dirty, durations);

    private static RamVoter Voter(int budget, bool cutAnyway = false) =>
        new(new() { Budget = TimeSpan.FromMilliseconds(budget), CutAnyway = cutAnyway });

    private static RamPass Pass(uint pass, long dirty, double seconds = 1) =>
        new(pass, dirty, dirty * Paging.PageSize, TimeSpan.FromSeconds(seconds), Costs);

    private sealed record WritingGuest(PauseModel Model, TimeSpan Budget, uint MaxPasses, bool CutAnyway, long[] Dirty, TimeSpan[] Durations);
}
