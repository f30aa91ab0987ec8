using Cutpoint.Formats.Ssm;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Units;

public sealed class LiveSaveTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly UnitRegistry _registry = new();
    private readonly CountingSinks _sinks = new();
    private readonly List<string> _calls = [];

    [Fact]
    public async Task Every_voter_is_asked_after_every_pass_even_behind_a_veto()
    {
        Voter("a", VoteDecision.AnotherPass, VoteDecision.Done);
        Voter("b", VoteDecision.AnotherPass, VoteDecision.Done);
        await using var save = await BeginAsync();
        Assert.Equal(PassVerdict.AnotherPass, (await PassAsync(save, 0)).Verdict);
        var last = await PassAsync(save, 1);
        Assert.Equal(PassVerdict.Converged, last.Verdict);
        Assert.Equal(["a/0@1", "b/0@1"], last.Votes.Select(v => $"{v.Unit}@{v.Pass}"));
        Assert.Equal(["a/0@0", "b/0@0", "a/0@1", "b/0@1"], save.Votes.Select(v => $"{v.Unit}@{v.Pass}"));
    }

    [Fact]
    public async Task Giving_up_ends_the_votes_and_becomes_the_result()
    {
        Voter("a", VoteDecision.GiveUp);
        Voter("b", VoteDecision.Done);
        await using var save = await BeginAsync();
        var outcome = await PassAsync(save, 0);
        Assert.Equal(PassVerdict.GiveUp, outcome.Verdict);
        Assert.Equal("unit a/0 gave up after pass 0: because", outcome.Reason!.Message);
        Assert.Equal(ErrorCode.NotConverged, outcome.Reason.Code);
        Assert.Single(save.Votes);
        Assert.Equal(SavedStateStatus.VoteForGivingUp, (await save.CompleteAsync()).Status);
        Assert.Equal(["a.exec 0", "b.exec 0", "a.vote 0"], _calls);
    }

    [Fact]
    public async Task An_answer_that_is_no_vote_fails_the_save()
    {
        Voter("a", (VoteDecision)42);
        await using var save = await BeginAsync();
        await Assert.ThrowsAsync<UnitException>(() => PassAsync(save, 0));
        Assert.Equal(SavedStateStatus.UnexpectedInformation, save.Status);
    }

    [Fact]
    public async Task Dont_call_again_ends_with_its_save()
    {
        Voter("a", VoteDecision.DoneDontCallAgain, VoteDecision.Done);
        for (var i = 0; i < 2; i++)
        {
            _calls.Clear();
            await using var save = await BeginAsync();
            await PassAsync(save, 0);
            await PassAsync(save, 1);
            Assert.Equal(["a.exec 0", "a.vote 0"], _calls);
        }
    }

    [Fact]
    public async Task Passes_have_a_limit()
    {
        Voter("a", Enumerable.Repeat(VoteDecision.AnotherPass, 10).ToArray());
        await using var save = await BeginAsync(new() { Limits = new() { MaxPasses = 3 } });
        Assert.Equal(PassVerdict.AnotherPass, (await PassAsync(save, 0)).Verdict);
        Assert.Equal(PassVerdict.AnotherPass, (await PassAsync(save, 1)).Verdict);
        var outcome = await PassAsync(save, 2);
        Assert.Equal((PassVerdict.GiveUp, SavedStateStatus.TooManyPasses), (outcome.Verdict, outcome.Reason!.Status));
    }

    [Fact]
    public async Task Growth_has_a_limit_and_a_floor()
    {
        Voter("a", Enumerable.Repeat(VoteDecision.AnotherPass, 10).ToArray(), octets: 1000, estimate: 1000);
        await using var save = await BeginAsync(new() { Limits = new() { MaxGrowth = 2, GrowthFloor = 2500 } });
        Assert.Equal(PassVerdict.AnotherPass, (await PassAsync(save, 0)).Verdict);
        Assert.Equal(PassVerdict.AnotherPass, (await PassAsync(save, 1)).Verdict);
        var outcome = await PassAsync(save, 2);
        Assert.Equal((PassVerdict.GiveUp, SavedStateStatus.StateGrewTooBig), (outcome.Verdict, outcome.Reason!.Status));
        Assert.Equal(3000, save.Written);
    }

    [Fact]
    public async Task A_stream_that_is_not_sound_ends_the_save_between_passes()
    {
        Voter("a", VoteDecision.AnotherPass);
        await using var save = await BeginAsync(new()
        {
            CheckStream = _ => throw new UnitException(SavedStateStatus.LowOnDiskSpace, "9 MiB left"),
        });
        await Assert.ThrowsAsync<UnitException>(() => PassAsync(save, 0));
        Assert.Equal(SavedStateStatus.LowOnDiskSpace, (await save.CompleteAsync()).Status);
    }

    [Fact]
    public async Task A_cancel_during_a_pass_is_not_seen_by_votes_but_by_the_end()
    {
        _registry.Register(Internal("a", new()
        {
            LiveExecute = (_, _, _) =>
            {
                Assert.Equal(SavedStateStatus.Ok, _registry.Cancel());
                return new(LiveOutcome.Continue);
            },
            LiveVote = (c, pass, _) => new(new Vote(c.Unit.Key, pass, VoteDecision.Done)),
        }));
        await using var save = await BeginAsync();
        Assert.Equal(PassVerdict.Converged, (await PassAsync(save, 0)).Verdict);
        Assert.Equal(SavedStateStatus.Ok, save.Status);
        Assert.Equal(SavedStateStatus.Cancelled, (await save.CompleteAsync()).Status);
    }

    [Fact]
    public async Task A_cancel_reaches_the_unit_in_hand_and_no_later_one_is_executed()
    {
        var began = new TaskCompletionSource();
        _registry.Register(Internal("slow", new()
        {
            LiveExecute = async (_, _, t) =>
            {
                began.SetResult();
                await Task.Delay(Timeout.InfiniteTimeSpan, t);
                return LiveOutcome.Continue;
            },
        }));
        Voter("later", VoteDecision.Done);
        await using var save = await BeginAsync();
        var pass = save.ExecutePassAsync(0, default);
        await began.Task.WaitAsync(Patience);
        save.Cancel();
        Assert.Equal(SavedStateStatus.Cancelled, (await Assert.ThrowsAsync<UnitException>(() => pass.WaitAsync(Patience))).Status);
        Assert.Empty(_calls);
    }

    [Fact]
    public async Task The_callers_own_token_ends_a_pass_as_cancelled()
    {
        _registry.Register(Internal("slow", new()
        {
            LiveExecute = async (_, _, t) =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, t);
                return LiveOutcome.Continue;
            },
        }));
        using var cancel = new CancellationTokenSource();
        await using var save = await BeginAsync();
        var pass = save.ExecutePassAsync(0, cancel.Token);
        cancel.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => pass.WaitAsync(Patience));
        Assert.Equal(SavedStateStatus.Cancelled, (await save.CompleteAsync()).Status);
    }

    [Fact]
    public async Task State_can_be_written_only_in_executions()
    {
        SaveContext? seen = null;
        _registry.Register(Internal("a", new()
        {
            LiveExecute = async (c, _, t) =>
            {
                seen = c;
                await c.Sink.WriteAsync(new byte[8], t);
                return LiveOutcome.Continue;
            },
            LiveVote = (c, _, _) => throw Assert.Throws<UnitException>(() => c.Sink),
        }));
        await using var save = await BeginAsync();
        await save.ExecutePassAsync(0, default);
        Assert.Throws<UnitException>(() => seen!.Sink);
        Assert.Equal(SavedStateStatus.InvalidState, (await Assert.ThrowsAsync<UnitException>(() => save.VoteAsync(0, default))).Status);
    }

    [Fact]
    public async Task Live_executions_run_side_by_side_when_asked_and_each_unit_is_still_one_call_at_a_time()
    {
        using var together = new Barrier(3);
        foreach (var name in new[] { "a", "b", "c" })
        {
            _registry.Register(Internal(name, new()
            {
                LiveExecute = async (_, _, t) =>
                {
                    await Task.Run(() => together.SignalAndWait(t), t);
                    return LiveOutcome.Continue;
                },
            }));
        }
        await using var save = await BeginAsync(new() { LiveConcurrency = 3 });
        await save.ExecutePassAsync(0, default).WaitAsync(Patience);
    }

    [Fact]
    public async Task The_first_failure_of_a_pass_side_by_side_ends_the_others_and_counts()
    {
        _registry.Register(Internal("slow", new()
        {
            LiveExecute = async (_, _, t) =>
            {
                await Task.Delay(Timeout.InfiniteTimeSpan, t);
                return LiveOutcome.Continue;
            },
        }));
        _registry.Register(Internal("bad", new() { LiveExecute = (_, _, _) => throw new InvalidOperationException("no such page") }));
        await using var save = await BeginAsync(new() { LiveConcurrency = 2 });
        var fault = await Assert.ThrowsAsync<SnapshotException>(() => save.ExecutePassAsync(0, default).WaitAsync(Patience));
        Assert.Equal("unit bad/0: LiveExecute: no such page", fault.Message);
        Assert.Same(fault, (await save.CompleteAsync()).Fault);
    }

    [Fact]
    public async Task One_save_at_a_time()
    {
        await using var save = await BeginAsync();
        Assert.Equal(SavedStateStatus.InvalidState, Assert.Throws<UnitException>(() => new LiveSave(_registry, _sinks, new())).Status);
        await save.CompleteAsync();
        await using var next = await BeginAsync();
    }

    [Fact]
    public async Task Steps_out_of_order_are_refused_and_passes_go_up()
    {
        await using var save = new LiveSave(_registry, _sinks, new());
        await Assert.ThrowsAsync<UnitException>(() => save.ExecutePassAsync(0, default));
        await Assert.ThrowsAsync<UnitException>(() => save.SavePrepareAsync(default));
        await save.LivePrepareAsync(default);
        await save.ExecutePassAsync(4, default);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => save.ExecutePassAsync(4, default));
        await Assert.ThrowsAsync<UnitException>(() => save.SaveExecuteAsync(default));
        await save.SavePrepareAsync(default);
        await Assert.ThrowsAsync<UnitException>(() => save.ExecutePassAsync(5, default));
    }

    [Fact]
    public async Task A_save_that_is_just_disposed_tells_its_units_that_it_was_cancelled()
    {
        SavedStateStatus? told = null;
        _registry.Register(Internal("a", new()
        {
            SaveDone = c =>
            {
                told = c.Status;
                return default;
            },
        }));
        await using (await BeginAsync())
        {
        }
        Assert.Equal(SavedStateStatus.Cancelled, told);
    }

    [Fact]
    public async Task A_unit_registered_between_passes_takes_part_from_the_next_on()
    {
        Voter("a", VoteDecision.AnotherPass, VoteDecision.Done);
        await using var save = await BeginAsync();
        await PassAsync(save, 0);
        Voter("b", VoteDecision.Done, VoteDecision.Done);
        await PassAsync(save, 1);
        Assert.Equal(["a.exec 0", "a.vote 0", "a.exec 1", "b.exec 1", "a.vote 1", "b.vote 1"], _calls);
    }

    [Fact]
    public async Task Sinks_are_closed_for_every_execution_and_learn_whether_it_succeeded()
    {
        Voter("a", VoteDecision.Done);
        _registry.Register(Internal("bad", new() { LiveExecute = (_, _, _) => throw new InvalidOperationException() }));
        await using var save = await BeginAsync();
        await Assert.ThrowsAsync<SnapshotException>(() => save.ExecutePassAsync(0, default));
        Assert.Equal(["a/0@0", "bad/0@0!"], _sinks.Sections);
    }

    private static UnitRegistration Internal(string name, UnitCallbacks callbacks, long estimate = 0) =>
        new(UnitKind.Internal, new(name, 0), 1, estimate, callbacks);

    private static async Task<PassOutcome> PassAsync(LiveSave save, uint pass)
    {
        await save.ExecutePassAsync(pass, default).WaitAsync(Patience);
        return await save.VoteAsync(pass, default).WaitAsync(Patience);
    }

    private async Task<LiveSave> BeginAsync(SaveOptions? options = null)
    {
        var save = new LiveSave(_registry, _sinks, options ?? new());
        await save.LivePrepareAsync(default);
        return save;
    }

    private void Voter(string name, params VoteDecision[] votes) => Voter(name, votes, 0, 0);

    private void Voter(string name, VoteDecision[] votes, int octets, long estimate) =>
        _registry.Register(Internal(
            name,
            new()
            {
                LiveExecute = async (c, pass, t) =>
                {
                    _calls.Add($"{name}.exec {pass}");
                    await c.Sink.WriteAsync(new byte[octets], t);
                    return LiveOutcome.Continue;
                },
                LiveVote = (c, pass, _) =>
                {
                    _calls.Add($"{name}.vote {pass}");
                    return new(new Vote(c.Unit.Key, pass, votes[pass], "because"));
                },
            },
            estimate));
}
