using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cutpoint.Durability;
using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>The journal of a job in a database: stream and mailbox <c>job/ID</c>. One writer; another that went on with the job fences it out.</summary>
public sealed class JobJournal : IJobJournal
{
    /// <summary>How long the events of a job that is over can be asked for.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromDays(90);

    /// <summary>
    /// How long a job waits for a database that is away before it gives up and is left to be gone on with. Its guests run meanwhile: nothing is written while
    /// one may stand still.
    /// </summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    /// <summary>Jobs that wait and are looked at at once; those behind them wait anyway.</summary>
    private const int MaxSubmitted = 256;

    private const string Prefix = "job/";
    private const string Cancel = "cancel-job";
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    /// <summary>The events by their manifests. To look all of them up takes milliseconds, which a job that begins is spared: only readers need it.</summary>
    private static readonly Lazy<Dictionary<string, Type>> Kinds = new(() => typeof(JobEvent).GetCustomAttributes<JsonDerivedTypeAttribute>()
        .ToDictionary(kind => (string)kind.TypeDiscriminator!, kind => kind.DerivedType));

    /// <summary>What a fold cannot do without is there, or the event is damaged.</summary>
    private static readonly JobEventJson Whole = new(new JsonSerializerOptions(JobEventJson.Default.Options) { RespectNullableAnnotations = true, RespectRequiredConstructorParameters = true });

    private readonly Database _database;
    private readonly EventJournal _events;
    private readonly Mailboxes _mailboxes;
    private readonly string _stream;
    private readonly Writer _writer;
    private long _last;

    private JobJournal(Database database, string jobId, long last, long epoch)
    {
        _database = database;
        _events = new EventJournal(database);
        _mailboxes = new Mailboxes(database);
        _stream = Prefix + jobId;
        _last = last;
        _writer = new Writer(epoch);
    }

    /// <summary>The journal of a job that has none yet. Journals of jobs that were over long ago are forgotten.</summary>
    /// <param name="database">Where it is kept; not owned.</param>
    /// <param name="jobId">The job.</param>
    /// <param name="open">Jobs that are not over, whose journals stay whatever their age.</param>
    /// <param name="cancellation">Ends the call.</param>
    public static async Task<JobJournal> CreateAsync(Database database, string jobId, IEnumerable<string> open, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(database);
        await ForgetAsync(database, open, cancellation);
        return new JobJournal(database, jobId, last: 0, epoch: 1);
    }

    /// <summary>Forgets the journals of jobs that were over long ago.</summary>
    /// <param name="database">Where they are kept; not owned.</param>
    /// <param name="open">Jobs that are not over, whose journals stay whatever their age.</param>
    /// <param name="cancellation">Ends the call.</param>
    public static Task ForgetAsync(Database database, IEnumerable<string> open, CancellationToken cancellation) =>
        new EventJournal(database).ForgetAsync(Prefix, Retention, [.. open.Select(id => Prefix + id)], cancellation);

    /// <summary>The journal of a job that is gone on with, and where the job stands; null when there is no such job.</summary>
    public static async Task<(JobJournal Journal, JobState State)?> ResumeAsync(Database database, string jobId, CancellationToken cancellation)
    {
        var written = await new EventJournal(database).ReadAsync(Prefix + jobId, 0, cancellation);
        if (written.Count == 0) return null;
        return (new JobJournal(database, jobId, written[^1].SequenceNumber, written[^1].WriterEpoch + 1), JobFold.Replay(written.Select(Read)));
    }

    /// <summary>The events of a job after a sequence number, with their own.</summary>
    public static async Task<IReadOnlyList<(long Number, DateTimeOffset At, JobEvent Event)>> ReadAsync(
        Database database, string jobId, long after, CancellationToken cancellation) =>
        [.. (await new EventJournal(database).ReadAsync(Prefix + jobId, after, cancellation)).Select(one => (one.SequenceNumber, one.WrittenAt, Read(one)))];

    /// <summary>Submits a job: its plan is the first event of its journal, and whoever begins it goes on from there. Submitted twice it is there once.</summary>
    /// <param name="database">The database of the coordinators; not owned.</param>
    /// <param name="plan">What to do, with an id of its own.</param>
    /// <param name="cancellation">Ends the call; the job may be submitted then.</param>
    public static async Task SubmitAsync(Database database, JobPlan plan, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(plan);
        await new JobJournal(database, plan.JobId, last: 0, epoch: 1).AppendAsync([new JobPlanned(plan)], cancellation);
        await database.HintAsync(cancellation);
    }

    /// <summary>The jobs nobody has begun, oldest first: they were submitted, or their process is just beginning.</summary>
    public static async Task<IReadOnlyList<string>> ListSubmittedAsync(Database database, CancellationToken cancellation) =>
        [.. (await new EventJournal(database).ListBegunAsync(Prefix, MaxSubmitted, cancellation)).Select(stream => stream[Prefix.Length..])];

    /// <summary>Where a job stands; null when there is no such job.</summary>
    /// <exception cref="SnapshotException">Its journal is of a newer program (<see cref="ErrorCode.Incompatible"/>) or damaged (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    public static async Task<JobState?> LoadAsync(Database database, string jobId, CancellationToken cancellation)
    {
        var events = await ReadAsync(database, jobId, 0, cancellation);
        return events.Count == 0 ? null : JobFold.Replay(events.Select(one => one.Event));
    }

    /// <summary>Ends a job whose journal cannot be read, so that nobody waits for it any more.</summary>
    public static async Task CloseAsync(Database database, string jobId, JobError reason, CancellationToken cancellation)
    {
        var (last, epoch) = await new EventJournal(database).LastAsync(Prefix + jobId, cancellation);
        await new JobJournal(database, jobId, last, epoch + 1).AppendAsync([new AbortStarted(reason), new JobAborted()], cancellation);
    }

    /// <summary>Asks whoever runs a job to cancel it.</summary>
    public static Task SendCancelAsync(Database database, string jobId, CancellationToken cancellation) => new Mailboxes(database).SendAsync(
        new MailMessage(Prefix + jobId, $"{Cancel}-{Guid.NewGuid():n}", Cancel, "{}"), cancellation);

    /// <inheritdoc/>
    public async Task AppendAsync(IReadOnlyList<JobEvent> events, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(events);
        if (events.Count == 0) return;
        List<JournalRecord> records =
            [.. events.Select(one => new JournalRecord(ManifestOf(one), JsonSerializer.Serialize(one, one.GetType(), JobEventJson.Default)))];
        var begun = _database.Time.GetTimestamp();
        for (var isUnsure = false; ; isUnsure = true)
        {
            try
            {
                if (isUnsure && await AreWrittenAsync(records, cancellation)) _last += records.Count;
                else _last = await _events.AppendAsync(_stream, _last, records, _writer, cancellation);
                return;
            }
            catch (SnapshotException error) when (error.IsTransient && _database.Time.GetElapsedTime(begun) < Patience)
            {
                await Task.Delay(PollInterval, _database.Time, cancellation);
            }
        }
    }

    /// <inheritdoc/>
    public async Task<JobMessage> ReceiveAsync(CancellationToken cancellation)
    {
        while (true)
        {
            try
            {
                // A cancellation that is lost with this process is asked for again: whoever asked waits for the end of the job.
                var message = await _mailboxes.HandleNextAsync([_stream], static _ => Task.CompletedTask, cancellation);
                if (message?.Manifest == Cancel) return new CancelJob();
                if (message is null) await _database.WaitAsync(PollInterval, cancellation);
            }
            catch (SnapshotException error) when (error.IsTransient)
            {
                // Nobody can ask while the database is away; whether the job goes on without it is found out when it writes.
                await Task.Delay(PollInterval, _database.Time, cancellation);
            }
        }
    }

    /// <summary>True when the answer to a commit was lost, and not the commit.</summary>
    private async Task<bool> AreWrittenAsync(List<JournalRecord> records, CancellationToken cancellation)
    {
        var written = await _events.ReadAsync(_stream, _last, cancellation);
        return written.Count == records.Count && written.All(one => one.WriterEpoch == _writer.Epoch)
            && written.Select(one => new JournalRecord(one.Manifest, one.Payload)).SequenceEqual(records);
    }

    /// <summary>The name an event has in a journal: that of its type, as its derived-type attribute has it too.</summary>
    private static string ManifestOf(JobEvent happened) => JsonNamingPolicy.KebabCaseLower.ConvertName(happened.GetType().Name);

    private static JobEvent Read(JournalEvent written)
    {
        var what = $"event {written.SequenceNumber} ('{written.Manifest}') of {written.PersistenceId}";
        if (!Kinds.Value.TryGetValue(written.Manifest, out var kind))
            throw new SnapshotException(ErrorCode.Incompatible, $"{what} is of a newer version", "use a newer version of Cutpoint");
        try
        {
            var happened = (JobEvent?)JsonSerializer.Deserialize(written.Payload, kind, Whole);
            if (happened is JobPlanned planned) Check(planned.Plan);
            return happened ?? throw new JsonException("it is empty");
        }
        catch (JsonException error)
        {
            throw new SnapshotException(
                ErrorCode.VerificationFailed, $"{what} is damaged: {error.Message}", $"'cutpoint cancel {written.PersistenceId[Prefix.Length..]}' removes the job", error);
        }
    }

    /// <summary>A plan whose guests cannot be told apart is nothing a job can be folded from.</summary>
    private static void Check(JobPlan? plan)
    {
        if (plan is { Version: > 1 }) throw new SnapshotException(ErrorCode.Incompatible, $"the plan has version {plan.Version}, known is 1", "use a newer version of Cutpoint");
        if (plan?.Guests is null || plan.Guests.Contains(null!) || plan.Guests.DistinctBy(guest => guest.Name).Count() < plan.Guests.Count)
            throw new JsonException("it names no guests");
    }
}
