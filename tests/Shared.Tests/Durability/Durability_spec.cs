using Cutpoint.Durability;
using Cutpoint.Repository;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Durability;

/// <summary>What holds of journal, mailboxes and leases on every database.</summary>
public abstract partial class Durability_spec : IAsyncLifetime
{
    private static readonly Writer First = new(1);
    private static readonly TimeSpan LeaseLength = TimeSpan.FromSeconds(10);

    private readonly List<Database> _open = [];

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        foreach (var database in _open) await database.DisposeAsync();
        Delete();
    }

    [Fact]
    public async Task Events_come_back_in_order_as_they_were_written()
    {
        var journal = new EventJournal(await OpenAsync());
        await journal.AppendAsync("job/a", 0, [new("planned", "{\"n\":1}"), new("started", "{\"text\":\"ä€\\u0000\"}")], First, default);
        await journal.AppendAsync("job/b", 0, [new("planned", "{}")], First, default);
        await journal.AppendAsync("job/a", 2, [new("ended", "{}")], new Writer(2), default);

        var events = await new EventJournal(await OpenAsync()).ReadAsync("job/a", 0, default);

        Assert.Equal([1L, 2, 3], events.Select(e => e.SequenceNumber));
        Assert.Equal(["planned", "started", "ended"], events.Select(e => e.Manifest));
        Assert.Equal("{\"text\":\"ä€\\u0000\"}", events[1].Payload);
        Assert.Equal([1L, 1, 2], events.Select(e => e.WriterEpoch));
        Assert.Equal(events.Select(e => e.Ordering).Order(), events.Select(e => e.Ordering));
        Assert.Equal([3L], (await journal.ReadAsync("job/a", 2, default)).Select(e => e.SequenceNumber));
    }

    [Fact]
    public async Task Of_writers_that_append_at_once_one_writes_and_the_others_write_nothing()
    {
        var journals = await Task.WhenAll(Enumerable.Range(0, 8).Select(async _ => new EventJournal(await OpenAsync())));

        var outcomes = await Task.WhenAll(journals.Select((journal, writer) => Task.Run(async () =>
        {
            try
            {
                await journal.AppendAsync("job/a", 0, [new("one", $"{writer}"), new("two", $"{writer}")], First, default);
                return true;
            }
            catch (FencedException)
            {
                return false;
            }
        })));

        Assert.Single(outcomes, won => won);
        var events = await journals[0].ReadAsync("job/a", 0, default);
        Assert.Equal(2, events.Count);
        Assert.Single(events.Select(e => e.Payload).Distinct());
        Assert.True(outcomes[int.Parse(events[0].Payload, System.Globalization.CultureInfo.InvariantCulture)]);
    }

    [Fact]
    public async Task A_writer_of_an_older_epoch_writes_nothing_even_when_it_knows_the_last_event()
    {
        var journal = new EventJournal(await OpenAsync());
        await journal.AppendAsync("job/a", 0, [new("x", "{}")], new Writer(2), default);

        await Assert.ThrowsAsync<FencedException>(() => journal.AppendAsync("job/a", 1, [new("y", "{}")], First, default));

        Assert.Single(await journal.ReadAsync("job/a", 0, default));
    }

    [Fact]
    public async Task A_writer_whose_lease_was_taken_writes_nothing()
    {
        var database = await OpenAsync();
        var (journal, leases) = (new EventJournal(database), new Leases(database, LeaseLength));
        var old = (await leases.AcquireAsync("job/a", "node-1", default))!;
        await journal.AppendAsync("job/a", 0, [new("x", "{}")], Writer.Holding(old), default);
        await PassAsync(database, LeaseLength + TimeSpan.FromMilliseconds(1));
        var taken = (await leases.AcquireAsync("job/a", "node-2", default))!;

        var fenced = await Assert.ThrowsAsync<FencedException>(() => journal.AppendAsync("job/a", 1, [new("late", "{}")], Writer.Holding(old), default));

        Assert.Equal(ErrorCode.Locked, fenced.Code);
        await journal.AppendAsync("job/a", 1, [new("next", "{}")], Writer.Holding(taken), default);
        Assert.Equal(["x", "next"], (await journal.ReadAsync("job/a", 0, default)).Select(e => e.Manifest));
    }

    [Fact]
    public async Task A_snapshot_stands_for_the_events_in_it_and_the_fence_stays()
    {
        var journal = new EventJournal(await OpenAsync());
        for (var number = 0; number < 3; number++) await journal.AppendAsync("job/a", number, [new("x", $"{number}")], First, default);
        await journal.SaveSnapshotAsync("job/a", new JournalSnapshot(3, "state", "{\"sum\":3}"), First, default);
        await journal.SaveSnapshotAsync("job/a", new JournalSnapshot(2, "state", "{\"sum\":1}"), First, default);

        await Assert.ThrowsAsync<FencedException>(() => journal.AppendAsync("job/a", 0, [new("x", "{}")], First, default));
        await journal.AppendAsync("job/a", 3, [new("x", "3")], First, default);

        var snapshot = await journal.LoadSnapshotAsync("job/a", default);
        Assert.Equal(new JournalSnapshot(3, "state", "{\"sum\":3}"), snapshot);
        Assert.Equal(["3"], (await journal.ReadAsync("job/a", snapshot!.SequenceNumber, default)).Select(e => e.Payload));
        Assert.Null(await journal.LoadSnapshotAsync("job/b", default));
    }

    [Fact]
    public async Task Streams_nobody_writes_to_any_more_are_forgotten_but_for_those_that_are_needed()
    {
        var database = await OpenAsync();
        var journal = new EventJournal(database);
        foreach (var id in (string[])["job/old", "job/needed", "other/old"]) await journal.AppendAsync(id, 0, [new("x", "{}")], First, default);
        await PassAsync(database, TimeSpan.FromDays(2));
        await journal.AppendAsync("job/new", 0, [new("x", "{}")], First, default);

        Assert.Equal(1, await journal.ForgetAsync("job/", TimeSpan.FromDays(1), ["job/needed"], default));

        Assert.Empty(await journal.ReadAsync("job/old", 0, default));
        foreach (var id in (string[])["job/needed", "job/new", "other/old"]) Assert.Single(await journal.ReadAsync(id, 0, default));
    }

    [Fact]
    public async Task A_message_its_events_and_its_answers_are_one()
    {
        var database = await OpenAsync();
        var (boxes, journal) = (new Mailboxes(database), new EventJournal(database));
        await boxes.SendAsync(new MailMessage("job/a", "m1", "start", "{}"), default);

        var handled = await boxes.HandleNextAsync(["job/a"], Start, default);

        Assert.Equal("start", handled!.Manifest);
        Assert.Single(await journal.ReadAsync("job/a", 0, default));
        Assert.Equal("m2", (await boxes.HandleNextAsync(["worker/1"], _ => Task.CompletedTask, default))!.MessageId);
        Assert.Null(await boxes.HandleNextAsync(["job/a", "worker/1"], Start, default));
    }

    [Fact]
    public async Task A_crash_before_any_step_of_a_turn_leaves_what_was_before_and_the_replay_ends_the_same()
    {
        for (var crash = 0; crash <= 3; crash++)
        {
            var (job, worker) = ($"job/{crash}", $"worker/{crash}");
            var database = await OpenAsync();
            var (boxes, journal) = (new Mailboxes(database), new EventJournal(database));
            await boxes.SendAsync(new MailMessage(job, "m1", "start", "{}"), default);
            var steps = 0;
            async Task Handle(Turn turn)
            {
                Crash();
                await turn.AppendAsync(job, 0, [new("started", "{}")], First);
                Crash();
                await turn.SendAsync(new MailMessage(worker, "m2", "open", "{}"));
                Crash();
            }
            void Crash()
            {
                if (steps++ == crash) throw new OperationCanceledException("crash");
            }

            if (crash < 3)
            {
                await Assert.ThrowsAsync<OperationCanceledException>(() => boxes.HandleNextAsync([job], Handle, default));
                Assert.Empty(await journal.ReadAsync(job, 0, default));
                Assert.Null(await boxes.HandleNextAsync([worker], _ => Task.CompletedTask, default));
            }
            Assert.NotNull(await boxes.HandleNextAsync([job], Handle, default));

            Assert.Equal(["started"], (await journal.ReadAsync(job, 0, default)).Select(e => e.Manifest));
            Assert.NotNull(await boxes.HandleNextAsync([worker], _ => Task.CompletedTask, default));
            Assert.Null(await boxes.HandleNextAsync([job, worker], Handle, default));
        }
    }

    [Fact]
    public async Task A_message_that_is_sent_again_is_handled_once_before_and_after_it_was_handled()
    {
        var database = await OpenAsync();
        var boxes = new Mailboxes(database);
        var message = new MailMessage("job/a", "m1", "start", "{}");
        var count = 0;
        Task Count(Turn turn)
        {
            count++;
            return Task.CompletedTask;
        }

        await boxes.SendAsync(message, default);
        await boxes.SendAsync(message, default);
        await boxes.HandleNextAsync(["job/a"], Count, default);
        await boxes.SendAsync(message, default);

        Assert.Null(await boxes.HandleNextAsync(["job/a"], Count, default));
        Assert.Equal(1, count);
        // What was handled is not remembered for ever.
        await PassAsync(database, Mailboxes.Memory + TimeSpan.FromSeconds(1));
        await boxes.SendAsync(message with { MessageId = "m2" }, default);
        await boxes.HandleNextAsync(["job/a"], Count, default);
        await boxes.SendAsync(message, default);
        Assert.NotNull(await boxes.HandleNextAsync(["job/a"], Count, default));
    }

    [Fact]
    public async Task Two_workers_never_hold_one_message_or_one_recipient_and_the_order_is_kept()
    {
        const int Recipients = 3, Messages = 20, Workers = 4;
        var boxes = new Mailboxes(await OpenAsync());
        for (var number = 0; number < Messages; number++)
        {
            for (var recipient = 0; recipient < Recipients; recipient++)
                await boxes.SendAsync(new MailMessage($"job/{recipient}", $"{number}", "m", $"{number}"), default);
        }
        var all = Enumerable.Range(0, Recipients).Select(recipient => $"job/{recipient}").ToArray();
        var held = all.ToDictionary(name => name, _ => new SemaphoreSlim(1));
        var done = all.ToDictionary(name => name, _ => new List<string>());

        await Task.WhenAll((await Task.WhenAll(Enumerable.Range(0, Workers).Select(async _ => new Mailboxes(await OpenAsync())))).Select(worker => Task.Run(async () =>
        {
            while (done.Values.Sum(list => { lock (list) return list.Count; }) < Recipients * Messages)
            {
                await worker.HandleNextAsync(all, async turn =>
                {
                    var name = turn.Message.Recipient;
                    Assert.True(await held[name].WaitAsync(0), $"two workers hold messages of {name}");
                    await Task.Yield();
                    lock (done[name]) done[name].Add(turn.Message.Payload);
                    held[name].Release();
                }, default);
            }
        })));

        Assert.All(done.Values, list => Assert.Equal(Enumerable.Range(0, Messages).Select(number => $"{number}"), list));
    }

    [Fact]
    public async Task A_message_nobody_can_handle_is_put_off_then_put_aside_and_the_next_gets_its_turn()
    {
        var database = await OpenAsync();
        var boxes = new Mailboxes(database);
        await boxes.SendAsync(new MailMessage("job/a", "bad", "m", "{}"), default);
        await boxes.SendAsync(new MailMessage("job/a", "good", "m", "{}"), default);

        for (var attempt = 0; attempt < Mailboxes.MaxAttempts; attempt++)
        {
            await Assert.ThrowsAsync<InvalidOperationException>(
                () => boxes.HandleNextAsync(["job/a"], turn => throw new InvalidOperationException("no such thing"), default));
            if (attempt < Mailboxes.MaxAttempts - 1) Assert.Null(await boxes.HandleNextAsync(["job/a"], _ => Task.CompletedTask, default));
            await PassAsync(database, TimeSpan.FromMinutes(1));
        }

        Assert.Equal("good", (await boxes.HandleNextAsync(["job/a"], _ => Task.CompletedTask, default))!.MessageId);
        var (dead, reason) = Assert.Single(await boxes.DeadLettersAsync(default));
        Assert.Equal(("bad", "no such thing"), (dead.MessageId, reason));
    }

    [Fact]
    public async Task A_worker_that_is_fenced_out_leaves_the_message_to_its_successor()
    {
        var database = await OpenAsync();
        var boxes = new Mailboxes(database);
        await new EventJournal(database).AppendAsync("job/a", 0, [new("x", "{}")], new Writer(2), default);
        await boxes.SendAsync(new MailMessage("job/a", "m1", "m", "{}"), default);

        await Assert.ThrowsAsync<FencedException>(() => boxes.HandleNextAsync(["job/a"], turn => turn.AppendAsync("job/a", 1, [new("y", "{}")], First), default));

        Assert.NotNull(await boxes.HandleNextAsync(["job/a"], turn => turn.AppendAsync("job/a", 1, [new("y", "{}")], new Writer(2)), default));
    }

    [Fact]
    public async Task A_lease_is_given_to_one_and_its_takeover_raises_the_epoch()
    {
        var database = await OpenAsync();
        var leases = new Leases(database, LeaseLength);
        var contenders = await Task.WhenAll(Enumerable.Range(0, 6).Select(async _ => new Leases(await OpenAsync(), LeaseLength)));

        var granted = (await Task.WhenAll(contenders.Select((one, number) => Task.Run(() => one.AcquireAsync("leader", $"node-{number}", default)))))
            .OfType<Lease>().ToList();

        var first = Assert.Single(granted);
        Assert.Equal(1, first.Epoch);
        Assert.NotNull(await leases.RenewAsync(first, default));
        // Renewed half way, it lasts a whole length from there.
        await PassAsync(database, LeaseLength / 2);
        Assert.NotNull(await leases.RenewAsync(first, default));
        await PassAsync(database, LeaseLength / 2);
        Assert.Null(await leases.AcquireAsync("leader", "late", default));
        await PassAsync(database, LeaseLength);
        var second = (await leases.AcquireAsync("leader", "late", default))!;
        Assert.Equal(2, second.Epoch);
        Assert.Null(await leases.RenewAsync(first, default));
        // One that lost its lease can take nothing from its successor.
        await leases.ResignAsync(first, default);
        Assert.NotNull(await leases.RenewAsync(second, default));
        await leases.ResignAsync(second, default);
        Assert.Null(await leases.RenewAsync(second, default));
        await PassAsync(database, TimeSpan.FromMilliseconds(1));
        Assert.Equal(3, (await leases.AcquireAsync("leader", "node-1", default))!.Epoch);
    }

    [Fact]
    public async Task A_lease_is_trusted_for_less_than_its_length_counted_from_before_it_was_asked_for()
    {
        var database = await OpenAsync();
        var time = (ManualTime)database.Time;
        var leases = new Leases(database, LeaseLength);
        var lease = (await leases.AcquireAsync("leader", "node-1", default))!;

        time.Advance(LeaseLength - LeaseTerm.Padding - TimeSpan.FromMilliseconds(1));
        Assert.True(leases.IsTrusted(lease));
        time.Advance(TimeSpan.FromMilliseconds(1));
        Assert.False(leases.IsTrusted(lease));
        Assert.True(leases.IsTrusted((await leases.RenewAsync(lease, default))!));
    }

    [Fact]
    public async Task Tables_are_made_from_nothing_and_made_once_by_starts_at_the_same_time()
    {
        var databases = await Task.WhenAll(Enumerable.Range(0, 6).Select(_ => Task.Run(() => OpenAsync())));

        Assert.All(await Task.WhenAll(databases.Select(database => database.TransactAsync(
            transaction => DurabilitySchema.ReadVersionAsync(transaction, default), default))), version => Assert.Equal(DurabilitySchema.Version, version));
    }

    [Fact]
    public async Task Tables_of_a_newer_program_are_refused_and_left_alone()
    {
        var database = await OpenAsync();
        await database.TransactAsync(
            transaction => transaction.ExecuteAsync("INSERT INTO schema_version (version, applied_at) VALUES (99, 0)", default), default);

        var refusal = await Assert.ThrowsAsync<SnapshotException>(() => OpenAsync());

        Assert.Equal(ErrorCode.Incompatible, refusal.Code);
        Assert.Contains("99", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wait_ends_at_a_hint_and_without_one_when_it_is_time_to_look()
    {
        var database = await OpenAsync();
        var hinted = database.WaitAsync(TimeSpan.FromHours(1), default);
        await database.HintAsync(default);
        await hinted;

        var polled = database.WaitAsync(TimeSpan.FromSeconds(1), default);
        Assert.False(polled.IsCompleted);
        ((ManualTime)database.Time).Advance(TimeSpan.FromSeconds(1));
        await polled;
    }

    /// <summary>Opens the test's database once more, as another process would.</summary>
    protected async Task<Database> OpenAsync(TimeProvider? time = null)
    {
        var database = await ConnectAsync(time ?? new ManualTime());
        lock (_open) _open.Add(database);
        return database;
    }

    protected abstract Task<Database> ConnectAsync(TimeProvider time);

    /// <summary>Lets the database's clock go on.</summary>
    protected abstract Task PassAsync(Database database, TimeSpan time);

    protected abstract void Delete();

    private static async Task Start(Turn turn)
    {
        await turn.AppendAsync("job/a", 0, [new("started", "{}")], First);
        await turn.SendAsync(new MailMessage("worker/1", "m2", "open", "{}"));
    }
}
