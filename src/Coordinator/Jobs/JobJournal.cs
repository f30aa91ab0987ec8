using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
using Cutpoint.Durability;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>The journal of a job in a database: stream and mailbox <c>job/ID</c>. One writer; another that went on with the job fences it out.</summary>
public sealed class JobJournal : IJobJournal
{
    /// <summary>How long the events of a job that is over can be asked for.</summary>
    public static readonly TimeSpan Retention = TimeSpan.FromDays(90);

    private const string Prefix = "job/";
    private const string Cancel = "cancel-job";
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(500);

    private static readonly Dictionary<Type, string> Manifests = typeof(JobEvent).GetCustomAttributes<JsonDerivedTypeAttribute>()
        .ToDictionary(kind => kind.DerivedType, kind => (string)kind.TypeDiscriminator!);

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
        var journal = new JobJournal(database, jobId, last: 0, epoch: 1);
        await journal._events.ForgetAsync(Prefix, Retention, [.. open.Select(id => Prefix + id)], cancellation);
        return journal;
    }

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

    /// <summary>Asks whoever runs a job to cancel it.</summary>
    public static Task SendCancelAsync(Database database, string jobId, CancellationToken cancellation) => new Mailboxes(database).SendAsync(
        new MailMessage(Prefix + jobId, $"{Cancel}-{Guid.NewGuid():n}", Cancel, "{}"), cancellation);

    /// <inheritdoc/>
    public async Task AppendAsync(IReadOnlyList<JobEvent> events, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(events);
        if (events.Count == 0) return;
        _last = await _events.AppendAsync(
            _stream, _last, [.. events.Select(one => new JournalRecord(Manifests[one.GetType()], JsonSerializer.Serialize(one, JobEventJson.Default.JobEvent)))],
            _writer, cancellation);
    }

    /// <inheritdoc/>
    public async Task<JobMessage> ReceiveAsync(CancellationToken cancellation)
    {
        while (true)
        {
            // A cancellation that is lost with this process is asked for again: whoever asked waits for the end of the job.
            var message = await _mailboxes.HandleNextAsync([_stream], static _ => Task.CompletedTask, cancellation);
            if (message?.Manifest == Cancel) return new CancelJob();
            if (message is null) await _database.WaitAsync(PollInterval, cancellation);
        }
    }

    private static JobEvent Read(JournalEvent written)
    {
        try
        {
            return JsonSerializer.Deserialize(written.Payload, JobEventJson.Default.JobEvent)!;
        }
        catch (JsonException error)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"event {written.SequenceNumber} ('{written.Manifest}') of {written.PersistenceId} cannot be read: {error.Message}",
                "use a newer version of Cutpoint", error);
        }
    }
}
