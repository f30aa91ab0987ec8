using Cutpoint.Workers.Capture;

namespace Cutpoint.Workers.Tests.Capture;

public sealed class OrderedStageTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    [Fact]
    public async Task Results_keep_the_order_of_items_however_long_each_takes()
    {
        var taken = new List<int>();
        using var early = new ManualResetEventSlim();
        await using var stage = new OrderedStage<Item, Item>(100, 4, item =>
        {
            // The first item ends after the third.
            if (item.Number == 0) early.Wait(Patience);
            if (item.Number == 2) early.Set();
            return item;
        }, Take(taken), CancellationToken.None);
        for (var i = 0; i < 50; i++) await stage.AddAsync(new Item(i), CancellationToken.None);
        stage.Complete();
        await stage.Completion.WaitAsync(Patience);
        Assert.Equal(Enumerable.Range(0, 50), taken);
    }

    [Fact]
    public async Task A_slow_consumer_holds_work_back_to_the_number_of_slots()
    {
        var begun = 0;
        var gate = new TaskCompletionSource();
        var full = new TaskCompletionSource();
        await using var stage = new OrderedStage<Item, Item>(100, 3, item =>
        {
            if (Interlocked.Increment(ref begun) == 3) full.SetResult();
            return item;
        }, async (item, _) =>
        {
            await gate.Task;
            item.Dispose();
        }, CancellationToken.None);
        for (var i = 0; i < 20; i++) await stage.AddAsync(new Item(i), CancellationToken.None);
        await full.Task.WaitAsync(Patience);
        Assert.Equal(3, Volatile.Read(ref begun));
        gate.SetResult();
        await stage.WhenIdleAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.Equal(20, Volatile.Read(ref begun));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_fault_ends_the_stage_and_nothing_is_kept(bool inWork)
    {
        var items = Enumerable.Range(0, 30).Select(i => new Item(i)).ToList();
        await using var stage = new OrderedStage<Item, Item>(
            100,
            3,
            item => inWork && item.Number == 7 ? throw Failing(item) : item,
            (item, _) =>
            {
                item.Dispose();
                return !inWork && item.Number == 7 ? throw new InvalidDataException("seven") : ValueTask.CompletedTask;
            },
            CancellationToken.None);
        var idle = stage.WhenIdleAsync(CancellationToken.None);
        foreach (var item in items)
        {
            try
            {
                await stage.AddAsync(item, CancellationToken.None);
            }
            catch (System.Threading.Channels.ChannelClosedException)
            {
                Assert.NotNull(stage.Fault);
            }
        }
        await Assert.ThrowsAsync<InvalidDataException>(() => stage.Completion.WaitAsync(Patience));
        await Assert.ThrowsAsync<InvalidDataException>(() => stage.WhenIdleAsync(CancellationToken.None).WaitAsync(Patience));
        Assert.True(stage.Ending.IsCancellationRequested);
        Assert.True(idle.IsCompletedSuccessfully);
        Assert.All(items, i => Assert.Equal(1, i.Disposals));
    }

    [Fact]
    public async Task Cancellation_ends_the_stage_while_its_consumer_waits()
    {
        using var cancel = new CancellationTokenSource();
        var waiting = new TaskCompletionSource();
        await using var stage = new OrderedStage<Item, Item>(10, 1, item => item, async (item, token) =>
        {
            using (item)
            {
                waiting.SetResult();
                await Task.Delay(Timeout.Infinite, token);
            }
        }, cancel.Token);
        var items = Enumerable.Range(0, 5).Select(i => new Item(i)).ToList();
        foreach (var item in items) await stage.AddAsync(item, CancellationToken.None);
        await waiting.Task.WaitAsync(Patience);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => stage.Completion.WaitAsync(Patience));
        Assert.All(items, i => Assert.Equal(1, i.Disposals));
    }

    [Fact]
    public async Task A_closed_stage_begins_nothing_and_has_nothing_in_hand()
    {
        var taken = new List<int>();
        var working = 0;
        await using var stage = new OrderedStage<Item, Item>(100, 2, item =>
        {
            Interlocked.Increment(ref working);
            Thread.SpinWait(20_000);
            Interlocked.Decrement(ref working);
            return item;
        }, Take(taken), CancellationToken.None);
        for (var i = 0; i < 20; i++) await stage.AddAsync(new Item(i), CancellationToken.None);
        await stage.CloseAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.Equal(0, Volatile.Read(ref working));
        await stage.AddAsync(new Item(20), CancellationToken.None);
        Assert.Equal(0, Volatile.Read(ref working));
        stage.Open();
        await stage.WhenIdleAsync(CancellationToken.None).WaitAsync(Patience);
        Assert.Equal(Enumerable.Range(0, 21), taken);
    }

    private static InvalidDataException Failing(Item item)
    {
        // The work owns its item, also when it fails.
        item.Dispose();
        return new InvalidDataException("seven");
    }

    private static Func<Item, CancellationToken, ValueTask> Take(List<int> taken) => (item, _) =>
    {
        taken.Add(item.Number);
        item.Dispose();
        return ValueTask.CompletedTask;
    };

    private sealed class Item(int number) : IDisposable
    {
        public int Number { get; } = number;

        public int Disposals { get; private set; }

        public void Dispose() => Disposals++;
    }
}
