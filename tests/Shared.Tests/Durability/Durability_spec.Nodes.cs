using System.Collections.Concurrent;
using Cutpoint.Durability;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Durability;

/// <summary>What holds of the registry of nodes on every database.</summary>
public abstract partial class Durability_spec
{
    private static readonly NodeDescription Worker = new("w", "worker,coordinator", "host:7411", "1.2.3");

    [Fact]
    public async Task A_node_is_listed_while_it_is_registered_and_what_became_of_it_is_told()
    {
        var database = await OpenAsync();
        var registry = new NodeRegistry(database);
        var lease = (await registry.JoinAsync(Worker, "one", default))!;

        var listed = Assert.Single(await registry.ListAsync(default));
        Assert.Equal(("w", "host:7411", "1.2.3", true), (listed.Name, listed.Address, listed.Program, listed.IsAlive));
        Assert.True(listed.Has("coordinator"));

        await registry.LeaveAsync(lease, default);

        Assert.Empty(await registry.ListAsync(default));
        await PassAsync(database, TimeSpan.FromMilliseconds(1));
        Assert.NotNull(await registry.JoinAsync(Worker, "two", default));
        Assert.Equal(
            [(1L, NodeTransition.Joined), (1, NodeTransition.Left), (2, NodeTransition.Joined)],
            (await registry.ListRecordsAsync(10, default)).Select(one => (one.Epoch, one.Transition)));
    }

    [Fact]
    public async Task A_name_belongs_to_the_node_that_lives()
    {
        var database = await OpenAsync();
        var registry = new NodeRegistry(database);
        var first = (await registry.JoinAsync(Worker, "one", default))!;
        Assert.Null(await registry.JoinAsync(Worker, "two", default));

        await PassAsync(database, NodeRegistry.LeaseLength + TimeSpan.FromSeconds(1));
        Assert.False(Assert.Single(await registry.ListAsync(default)).IsAlive);
        var second = (await registry.JoinAsync(Worker with { Address = "other:1" }, "two", default))!;

        Assert.Equal(first.Epoch + 1, second.Epoch);
        Assert.False(await registry.KeepAsync(first, default));
        await registry.LeaveAsync(first, default);
        Assert.Equal(("other:1", true), (await registry.ListAsync(default)).Select(node => (node.Address, node.IsAlive)).Single());
        Assert.Equal(
            [(1L, NodeTransition.Joined), (1, NodeTransition.Lost), (2, NodeTransition.Joined)],
            (await registry.ListRecordsAsync(10, default)).Select(one => (one.Epoch, one.Transition)));
    }

    [Fact]
    public async Task A_node_that_is_lost_is_told_once_and_returns_when_nobody_took_its_name()
    {
        var database = await OpenAsync();
        var registry = new NodeRegistry(database);
        var lease = (await registry.JoinAsync(Worker, "one", default))!;
        Assert.Empty(await registry.RecordLossesAsync(default));

        await PassAsync(database, NodeRegistry.LeaseLength + TimeSpan.FromSeconds(1));
        Assert.Equal(["w"], await registry.RecordLossesAsync(default));
        Assert.Empty(await registry.RecordLossesAsync(default));
        Assert.True(await registry.KeepAsync(lease, default));
        Assert.True(await registry.KeepAsync(lease, default));

        Assert.True(Assert.Single(await registry.ListAsync(default)).IsAlive);
        Assert.Equal(
            [NodeTransition.Joined, NodeTransition.Lost, NodeTransition.Returned], (await registry.ListRecordsAsync(10, default)).Select(one => one.Transition));
    }

    [Fact]
    public async Task A_node_ends_when_its_name_is_that_of_another_which_lives()
    {
        var (database, ours) = (await OpenAsync(), new ManualTime());
        var registry = new NodeRegistry(database);
        var other = (await registry.JoinAsync(Worker, "other", default))!;
        var notes = new ConcurrentQueue<string>();

        var membership = new NodeMembership(_ => Task.FromResult(database), Worker, notes.Enqueue, ours).RunAsync(default);
        while (notes.IsEmpty) await Task.Yield();
        while (!membership.IsCompleted)
        {
            await PassAsync(database, TimeSpan.FromMilliseconds(10));
            await registry.KeepAsync(other, default);
            ours.Advance(NodeRegistry.Interval);
        }

        var error = await Assert.ThrowsAsync<SnapshotException>(() => membership);
        Assert.Equal(ErrorCode.Locked, error.Code);
        Assert.Contains("'w'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_that_slept_while_another_had_its_name_and_left_registers_with_a_new_epoch()
    {
        var (database, ours) = (await OpenAsync(), new ManualTime());
        var registry = new NodeRegistry(database);
        using var ending = new CancellationTokenSource();
        var notes = new ConcurrentQueue<string>();
        var membership = new NodeMembership(_ => Task.FromResult(database), Worker, notes.Enqueue, ours).RunAsync(ending.Token);
        while (notes.IsEmpty) await Task.Yield();

        await PassAsync(database, NodeRegistry.LeaseLength + TimeSpan.FromSeconds(1));
        await registry.LeaveAsync((await registry.JoinAsync(Worker, "other", default))!, default);
        while (!notes.Any(note => note.Contains("epoch 3", StringComparison.Ordinal)))
        {
            ours.Advance(NodeRegistry.Interval);
            await Task.Yield();
        }
        await ending.CancelAsync();
        await membership;

        Assert.Contains("another node was 'w' while this one was not heard of", notes);
        Assert.Equal(NodeTransition.Left, (await registry.ListRecordsAsync(10, default))[^1].Transition);
    }

    [Fact]
    public async Task Streams_that_were_only_begun_are_found_in_order()
    {
        var journal = new EventJournal(await OpenAsync());
        foreach (var stream in (string[])["job/b", "job/a", "other/c", "job/d"]) await journal.AppendAsync(stream, 0, [new("planned", "{}")], First, default);
        await journal.AppendAsync("job/a", 1, [new("started", "{}")], First, default);

        Assert.Equal(["job/b", "job/d"], await journal.ListBegunAsync("job/", 10, default));
        Assert.Equal(["job/b"], await journal.ListBegunAsync("job/", 1, default));
    }
}
