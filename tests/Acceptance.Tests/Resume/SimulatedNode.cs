using Cutpoint.Compression;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Acceptance.Tests.Resume;

/// <summary>A process that runs one job on a repository, inside of the test's process, with a hook at every journal append, section and commit.</summary>
internal sealed class SimulatedNode : IAsyncDisposable
{
    private readonly SqliteDatabase _database;
    private readonly IGuestDriver _driver;

    private SimulatedNode(DirectoryRepository repository, SqliteDatabase database, IGuestDriver driver)
    {
        Repository = repository;
        _database = database;
        _driver = driver;
    }

    public DirectoryRepository Repository { get; }

    /// <summary>Called after each step that a kill may follow, with its name; one at a time.</summary>
    public Func<string, Task> Reached { get; set; } = static _ => Task.CompletedTask;

    /// <summary>Octets the job of this process has written to packs.</summary>
    public long WrittenBytes { get; private set; }

    public static async Task<SimulatedNode> OpenAsync(string repository, IGuestDriver driver)
    {
        var location = RepositoryLocation.Parse(repository);
        return new SimulatedNode(
            Directory.Exists(repository) ? await DirectoryRepository.OpenAsync(location, TimeProvider.System, default)
                : await DirectoryRepository.InitAsync(location, TimeProvider.System, default),
            await SqliteDatabase.OpenAsync(Path.Combine(repository, "journal.db"), survivesPowerCut: false, TimeProvider.System, default),
            driver);
    }

    public async Task<JobState> TakeAsync(string uri)
    {
        await using var writer = await Repository.BeginAsync(Options, default);
        var plan = new JobPlan
        {
            JobId = writer.Id.ToString(), Guests = [new GuestPlan("guest", uri)], Codec = "none",
            Options = new CaptureOptions { ScratchDirectory = writer.ScratchDirectory, FreezeLimit = TimeSpan.FromMinutes(5) },
        };
        return await RunAsync(writer, await JobJournal.CreateAsync(_database, plan.JobId, [], default), host => host.RunAsync(plan, default));
    }

    public async Task<JobState> ResumeAsync(Ulid job)
    {
        var (journal, state) = (await JobJournal.ResumeAsync(_database, job.ToString(), default))!.Value;
        await using var writer = await Repository.ResumeAsync(job, Options, default);
        state = state with { Plan = state.Plan with { Options = state.Plan.Options with { ScratchDirectory = writer.ScratchDirectory } } };
        return writer.Committed is null
            ? await RunAsync(writer, journal, host => host.ResumeAsync(state, default))
            : await JobHost.ConcludeAsync(state, journal, new CheckpointFound());
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        await Repository.DisposeAsync();
    }

    private static CheckpointOptions Options => new() { Codec = Codec.Parse("none"), IsResumable = true };

    private async Task<JobState> RunAsync(CheckpointWriter writer, IJobJournal journal, Func<JobHost, Task<JobState>> run)
    {
        await using var worker = new CaptureWorker(
            [_driver],
            async (guest, token) => new HookedStore(
                this, new CheckpointGuestStore(writer, await writer.AddGuestAsync(guest.Name, guest.Blocks, token), Repository.Hasher)),
            null,
            TimeProvider.System);
        var job = await run(new JobHost(worker, new HookedCommit(this, writer), new HookedJournal(this, journal), null));
        WrittenBytes = writer.WrittenBytes;
        return job;
    }

    private sealed class HookedJournal(SimulatedNode node, IJobJournal inner) : IJobJournal
    {
        public async Task AppendAsync(IReadOnlyList<JobEvent> events, CancellationToken cancellation)
        {
            var names = string.Join('+', events.Select(one => one.GetType().Name));
            await node.Reached($"before {names}");
            await inner.AppendAsync(events, cancellation);
            await node.Reached($"after {names}");
        }

        public Task<JobMessage> ReceiveAsync(CancellationToken cancellation) => inner.ReceiveAsync(cancellation);
    }

    private sealed class HookedCommit(SimulatedNode node, CheckpointWriter writer) : IJobCommit
    {
        public async Task CommitAsync(JobState job, CancellationToken cancellation)
        {
            await node.Reached("before the commit");
            await writer.CommitAsync(cancellation);
            await node.Reached("after the commit");
        }

        public Task DiscardAsync(JobState job) => Task.CompletedTask;
    }

    private sealed class HookedStore(SimulatedNode node, IGuestStore inner) : IGuestStore
    {
        public PageHasher Hasher => inner.Hasher;

        public BaseReport? Base => inner.Base;

        public ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation) =>
            inner.ReadKnownPagesAsync(handler, cancellation);

        public EncodedSection Encode(PageChunk chunk) => inner.Encode(chunk);

        public async ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
        {
            await inner.AppendAsync(section, cancellation);
            await node.Reached("after a section");
        }

        public ValueTask AppendAsync(DeviceState device, CancellationToken cancellation) => inner.AppendAsync(device, cancellation);

        public ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation) =>
            inner.SealAsync(description, record, cancellation);
    }
}
