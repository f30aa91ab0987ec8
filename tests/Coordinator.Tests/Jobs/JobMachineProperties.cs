using Cutpoint.Coordinator.Jobs;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Coordinator.Tests.Jobs;

public sealed class JobMachineProperties
{
    private static readonly Gen<(int Guests, int Tolerate, int[] Whims)> Runs =
        from guests in Gen.Choose(1, 4)
        from tolerate in Gen.Choose(0, guests - 1)
        from whims in Gen.Choose(0, 10_000).ArrayOf(300)
        select (guests, tolerate, whims);

    [Fact]
    public void Whatever_the_order_of_messages_a_job_ends_with_every_guest_running() => ForAll(workers =>
    {
        Assert.True(workers.Run(20_000), $"the job hangs in {workers.State.Phase}");
        Assert.Empty(workers.Paused);
        Assert.All(workers.State.Guests, g => Assert.Equal(GuestStage.Closed, g.Stage));
    });

    [Fact]
    public void Nothing_is_committed_without_one_interval_in_which_every_guest_was_stopped() => ForAll(workers =>
    {
        workers.Run(20_000);
        if (!workers.Journal.OfType<CommitStarted>().Any()) return;
        var certified = Assert.Single(workers.Journal.OfType<CutCertified>());
        Assert.Equal(workers.State.Epoch, certified.Epoch);
        Assert.True(workers.AllStoppedAtOnce);
        Assert.All(workers.State.Present, g => Assert.True(g.Cut!.HeldUntilRelease));
    });

    [Fact]
    public void A_job_that_failed_has_no_checkpoint_and_one_that_committed_has_no_error() => ForAll(workers =>
    {
        workers.Run(20_000);
        Assert.Equal(workers.Committed, workers.State.Phase is JobPhase.Committed);
        Assert.Equal(workers.Committed, workers.State.Error is null);
    });

    [Fact]
    public void No_more_guests_are_missing_than_were_tolerated_and_each_has_its_reason() => ForAll(workers =>
    {
        workers.Run(20_000);
        Assert.InRange(workers.State.MissingCount, 0, workers.State.Plan.Tolerate);
        Assert.Equal(workers.State.MissingCount, workers.State.Record.Missing.Count);
        Assert.All(workers.State.Record.Missing, missing => Assert.NotEmpty(missing.Error.Message));
        if (workers.Committed) Assert.Contains(workers.State.Present, g => g.FinalPass is not null);
    });

    [Fact]
    public void The_state_is_the_fold_of_the_journal() => ForAll(workers =>
    {
        workers.Run(20_000);
        var replayed = JobFold.Apply(JobState.New(workers.State.Plan), workers.Journal);
        Assert.Equal(workers.State.Phase, replayed.Phase);
        Assert.Equal(workers.State.Guests.Select(g => g.Stage), replayed.Guests.Select(g => g.Stage));
    });

    private static void ForAll(Action<SimulatedWorkers> check) =>
        Prop.ForAll(Runs.ToArbitrary(), run =>
        {
            var plan = new JobPlan
            {
                JobId = "j",
                Guests = [.. Enumerable.Range(0, run.Guests).Select(i => new GuestPlan($"g{i}", $"reference:g{i}"))],
                Options = new CaptureOptions { MaxPasses = 5 },
                Tolerate = run.Tolerate,
            };
            check(new SimulatedWorkers(plan, ((IEnumerable<int>)run.Whims).GetEnumerator()));
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(4000));
}
