using Cutpoint.Durability;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Durability;

[Collection(PostgresCollection.Name)]
public sealed class Postgres_durability(PostgresServer server) : Durability_spec
{
    private readonly Lazy<Task<string>> _database = new(server.CreateDatabaseAsync);

    [Fact]
    public async Task A_hint_reaches_a_worker_on_another_node()
    {
        var (one, other) = (await OpenAsync(), (PostgresDatabase)await OpenAsync(TimeProvider.System));
        other.Listen();
        var received = Task.CompletedTask;
        // The listener tells nobody that it is there; one hint after the other until one is heard.
        for (var attempt = 0; attempt < 1000; attempt++)
        {
            received = other.WaitAsync(TimeSpan.FromMinutes(1), default);
            await one.HintAsync(default);
            if (await Task.WhenAny(received, Task.Delay(100)) == received) break;
        }

        Assert.True(received.IsCompletedSuccessfully);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_told_in_one_line()
    {
        var error = await Assert.ThrowsAsync<SnapshotException>(
            () => PostgresDatabase.OpenAsync("Host=/nonexistent;Username=x;Database=y", TimeProvider.System, default));

        Assert.True(error.IsTransient);
        Assert.Contains("/nonexistent", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_node_whose_clock_is_wrong_by_years_neither_takes_a_lease_early_nor_loses_it()
    {
        var (past, present, future) = (new ManualTime(), await OpenAsync(TimeProvider.System), new ManualTime());
        future.Advance(TimeSpan.FromDays(365 * 100));
        var length = TimeSpan.FromHours(1);
        var lease = (await new Leases(await OpenAsync(past), length).AcquireAsync("leader", "past", default))!;

        Assert.Null(await new Leases(await OpenAsync(future), length).AcquireAsync("leader", "future", default));
        Assert.Null(await new Leases(present, length).AcquireAsync("leader", "present", default));
        Assert.NotNull(await new Leases(await OpenAsync(past), length).RenewAsync(lease, default));
    }

    protected override async Task<Database> ConnectAsync(TimeProvider time) =>
        await PostgresDatabase.OpenAsync(await _database.Value, time, default);

    /// <summary>The server's clock cannot be moved; what it is compared with can.</summary>
    protected override Task PassAsync(Database database, TimeSpan time) => database.TransactAsync(
        async transaction =>
        {
            foreach (var (table, column) in new[] { ("lease", "expires_at"), ("mailbox", "visible_at"), ("handled", "handled_at"), ("event", "written_at") })
                await transaction.ExecuteAsync($"UPDATE {table} SET {column} = {column} - @time", default, ("time", (long)time.TotalMilliseconds));
            return true;
        },
        default);

    protected override void Delete()
    {
    }
}
