using Cutpoint.Actors;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Actors;

public sealed class ActorTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private readonly ManualTime _time = new();

    [Fact]
    public async Task A_slow_consumer_bounds_memory_and_makes_its_posters_wait()
    {
        using var gate = new SemaphoreSlim(0);
        var handled = 0;
        await using var actor = Start(
            Options with { MaxOctets = 1000, MaxMessages = 100_000 },
            async (_, stopping) =>
            {
                await gate.WaitAsync(stopping);
                handled++;
            },
            cost: static _ => 100);
        var posts = Enumerable.Range(0, 500).Select(i => actor.PostAsync($"m{i}").AsTask()).ToList();
        Assert.True(actor.QueuedOctets <= 1000);
        Assert.InRange(posts.Count(p => p.IsCompleted), 10, 11);
        for (var i = 0; i < 500; i++)
        {
            gate.Release();
            await posts[i].WaitAsync(Patience);
            Assert.True(actor.QueuedOctets <= 1000);
        }
        await actor.StopAsync(StopMode.Drain).WaitAsync(Patience);
        Assert.Equal(500, handled);
    }

    [Fact]
    public async Task Posters_are_also_bounded_by_count()
    {
        using var gate = new SemaphoreSlim(0);
        await using var actor = Start(Options with { MaxMessages = 3 }, async (_, stopping) => await gate.WaitAsync(stopping));
        var posts = Enumerable.Range(0, 10).Select(i => actor.PostAsync($"m{i}").AsTask()).ToList();
        Assert.InRange(posts.Count(p => p.IsCompleted), 3, 4);
    }

    [Fact]
    public async Task Posters_are_admitted_in_the_order_they_came_even_when_a_later_message_is_smaller()
    {
        using var gate = new SemaphoreSlim(0);
        var order = new List<string>();
        await using var actor = Start(
            Options with { MaxOctets = 10 },
            async (message, stopping) =>
            {
                await gate.WaitAsync(stopping);
                order.Add(message);
            },
            cost: static m => m.Length);
        var posts = new[] { "first678", "large67890", "s", "t" }.Select(m => actor.PostAsync(m).AsTask()).ToList();
        gate.Release(4);
        await Task.WhenAll(posts).WaitAsync(Patience);
        await actor.StopAsync(StopMode.Drain).WaitAsync(Patience);
        Assert.Equal(["first678", "large67890", "s", "t"], order);
    }

    [Fact]
    public async Task A_poster_that_leaves_lets_the_next_one_in()
    {
        using var gate = new SemaphoreSlim(0);
        var order = new List<string>();
        await using var actor = Start(
            Options with { MaxOctets = 10 },
            async (message, stopping) =>
            {
                order.Add(message);
                await gate.WaitAsync(stopping);
            },
            cost: static m => m.Length);
        await actor.PostAsync("in hand");
        while (actor.QueuedOctets > 0) await Task.Yield();
        await actor.PostAsync("12345678");
        using var leave = new CancellationTokenSource();
        var large = actor.PostAsync("large67890", leave.Token).AsTask();
        var small = actor.PostAsync("s").AsTask();
        Assert.False(small.IsCompleted);
        leave.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => large);
        await small.WaitAsync(Patience);
        gate.Release(3);
        await actor.StopAsync(StopMode.Drain).WaitAsync(Patience);
        Assert.Equal(["in hand", "12345678", "s"], order);
    }

    [Fact]
    public async Task A_message_larger_than_the_mailbox_is_refused_at_once()
    {
        await using var actor = Start(Options with { MaxOctets = 10 }, (_, _) => default, cost: static m => m.Length);
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(async () => await actor.PostAsync("eleven long"));
    }

    [Fact]
    public async Task A_control_message_overtakes_ten_thousand_data_messages()
    {
        using var gate = new SemaphoreSlim(0);
        var order = new List<string>();
        await using var actor = Start(
            Options with { MaxMessages = 10_001 },
            async (message, stopping) =>
            {
                if (order.Count == 0) await gate.WaitAsync(stopping);
                order.Add(message);
            });
        for (var i = 0; i < 10_001; i++) await actor.PostAsync($"data {i}");
        await actor.PostControlAsync("cancel");
        gate.Release();
        await actor.StopAsync(StopMode.Drain).WaitAsync(Patience);
        // The first message was in hand when the control message came, at the latest.
        Assert.InRange(order.IndexOf("cancel"), 0, 1);
        Assert.Equal(10_002, order.Count);
        Assert.Equal(Enumerable.Range(0, 10_001).Select(i => $"data {i}"), order.Where(m => m != "cancel"));
    }

    [Fact]
    public async Task Restart_keeps_no_half_state_and_no_waiting_message_is_lost()
    {
        var totals = new List<int>();
        var disposed = 0;
        await using var actor = new Actor<string>(Options, () => new Summing(totals, () => disposed++));
        await actor.PostAsync("1");
        await actor.PostAsync("2");
        await actor.PostAsync("half");
        await actor.PostAsync("5");
        await actor.StopAsync(StopMode.Drain).WaitAsync(Patience);
        Assert.Equal([1, 3, 5], totals);
        Assert.Equal(2, disposed);
    }

    [Fact]
    public async Task A_fault_reaches_the_parent_when_restarts_do_not_help()
    {
        var told = new TaskCompletionSource<object>();
        await using var parent = new Actor<object>(new ActorOptions { Name = "parent" }, () => new Acting<object>((message, _) =>
        {
            told.TrySetResult(message);
            return default;
        }));
        await using var child = Start(
            Options with { MaxRestarts = 2, Escalate = fault => parent.PostControlAsync(fault) },
            (message, _) => throw new InvalidOperationException($"cannot digest {message}"));
        for (var i = 0; i < 3; i++) await child.PostAsync($"m{i}");
        var fault = Assert.IsType<ActorFault>(await told.Task.WaitAsync(Patience));
        Assert.Equal(("actor", "cannot digest m2", 2), (fault.Actor, fault.Exception.Message, fault.Restarts));
        await Assert.ThrowsAsync<InvalidOperationException>(() => child.Completion.WaitAsync(Patience));
        var late = await Assert.ThrowsAsync<ActorStoppedException>(async () => await child.PostAsync("late"));
        Assert.Equal("actor actor has stopped: cannot digest m2", late.Message);
    }

    [Fact]
    public async Task Restarts_count_within_their_window_only()
    {
        var faults = 0;
        await using var actor = Start(
            Options with { MaxRestarts = 1, RestartWindow = TimeSpan.FromMinutes(1) },
            (_, _) =>
            {
                faults++;
                throw new InvalidOperationException();
            });
        for (var i = 1; i <= 4; i++)
        {
            await Assert.ThrowsAsync<InvalidOperationException>(() => actor.AskAsync<int>(_ => "fail", Patience));
            Assert.Equal(i, faults);
            _time.Advance(TimeSpan.FromSeconds(61));
        }
        Assert.False(actor.Completion.IsCompleted);
    }

    [Fact]
    public async Task A_decider_may_escalate_the_first_fault()
    {
        await using var actor = Start(
            Options with { Supervise = e => e is FormatException ? Supervision.Escalate : Supervision.Restart }, (_, _) => throw new FormatException());
        await actor.PostAsync("x");
        await Assert.ThrowsAsync<FormatException>(() => actor.Completion.WaitAsync(Patience));
    }

    [Fact]
    public async Task A_question_is_answered()
    {
        await using var actor = new Actor<Question>(new ActorOptions { Name = "oracle" }, () => new Acting<Question>((q, _) =>
        {
            q.Answer.Set(q.What.Length);
            return default;
        }));
        Assert.Equal(4, await actor.AskAsync<int>(reply => new Question("four", reply), Patience));
    }

    [Fact]
    public async Task A_question_without_answer_ends_at_its_deadline_and_says_what_was_asked_of_whom()
    {
        await using var actor = new Actor<Question>(
            new ActorOptions { Name = "ram/0", Time = _time }, () => new Acting<Question>((_, _) => default));
        var asked = actor.AskAsync<int>(reply => new Question("how many pages are dirty", reply), TimeSpan.FromSeconds(5));
        _time.Advance(TimeSpan.FromSeconds(4.9));
        Assert.False(asked.IsCompleted);
        _time.Advance(TimeSpan.FromSeconds(0.2));
        var late = await Assert.ThrowsAsync<SnapshotException>(() => asked.WaitAsync(Patience));
        Assert.Equal("actor ram/0: no answer to 'how many pages are dirty' within 5 s", late.Message);
        Assert.True(late.IsTransient);
    }

    [Fact]
    public async Task A_question_can_be_left_before_its_deadline()
    {
        await using var actor = Start(Options, (_, _) => default);
        using var leave = new CancellationTokenSource();
        var asked = actor.AskAsync<int>(_ => "?", Timeout.InfiniteTimeSpan, leave.Token);
        leave.Cancel();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => asked.WaitAsync(Patience));
    }

    [Fact]
    public async Task Stopping_by_draining_handles_what_waits_and_refuses_what_comes()
    {
        using var gate = new SemaphoreSlim(0);
        var handled = 0;
        await using var actor = Start(Options, async (_, stopping) =>
        {
            await gate.WaitAsync(stopping);
            handled++;
        });
        for (var i = 0; i < 5; i++) await actor.PostAsync($"m{i}");
        var stop = actor.StopAsync(StopMode.Drain);
        await Assert.ThrowsAsync<ActorStoppedException>(async () => await actor.PostAsync("late"));
        gate.Release(5);
        await stop.WaitAsync(Patience);
        Assert.Equal(5, handled);
    }

    [Fact]
    public async Task Stopping_by_abandoning_interrupts_the_message_in_hand_and_fails_what_waits()
    {
        var began = new TaskCompletionSource();
        await using var actor = Start(Options with { MaxMessages = 1 }, async (_, stopping) =>
        {
            began.TrySetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, stopping);
        });
        await actor.PostAsync("in hand");
        await began.Task.WaitAsync(Patience);
        var question = actor.AskAsync<int>(_ => "waiting", Timeout.InfiniteTimeSpan);
        var blocked = actor.PostAsync("at the door").AsTask();
        await actor.StopAsync(StopMode.Abandon).WaitAsync(Patience);
        await Assert.ThrowsAsync<ActorStoppedException>(() => question.WaitAsync(Patience));
        await Assert.ThrowsAsync<ActorStoppedException>(() => blocked.WaitAsync(Patience));
    }

    private ActorOptions Options => new() { Name = "actor", Time = _time };

    private static Actor<string> Start(ActorOptions options, Func<string, CancellationToken, ValueTask> handle, Func<string, long>? cost = null) =>
        new(options, () => new Acting<string>(handle), cost);

    private sealed class Acting<T>(Func<T, CancellationToken, ValueTask> handle) : IMessageHandler<T>
    {
        public ValueTask HandleAsync(T message, CancellationToken stopping) => handle(message, stopping);
    }

    private sealed record Question(string What, Reply<int> Answer)
    {
        public override string ToString() => What;
    }

    /// <summary>Changes its state before it fails, so that a state which survives shows in the sums.</summary>
    private sealed class Summing(List<int> totals, Action disposed) : IMessageHandler<string>, IDisposable
    {
        private int _sum;

        public ValueTask HandleAsync(string message, CancellationToken stopping)
        {
            if (message == "half") _sum += 1000;
            _sum += int.Parse(message, System.Globalization.CultureInfo.InvariantCulture);
            totals.Add(_sum);
            return default;
        }

        public void Dispose() => disposed();
    }
}
