using System.Globalization;
using Cutpoint.Workers.Qemu.Faults;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>
/// The directory of freeze intents of this host: one small file for every guest that is being changed. Job start and <c>doctor</c> look for
/// those whose owners were killed and put their guests back. Safe for concurrent use by any number of processes: a monitor serves one of
/// them.
/// </summary>
public sealed class FreezeIntents
{
    private const string IntentSuffix = ".intent";
    private const string OutcomeSuffix = ".outcome";
    private const string Yes = "thawed";
    private const int OutcomeLines = 4;
    private const int MaxFileLength = 1 << 20;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time;

    /// <summary>Opens the directory of intents; it is created when first needed, readable for its owner only.</summary>
    /// <param name="directory">Its path, or null for <see cref="DefaultDirectory"/>.</param>
    /// <param name="time">The clock.</param>
    public FreezeIntents(string? directory = null, TimeProvider? time = null)
    {
        Directory = Path.GetFullPath(directory ?? DefaultDirectory);
        _time = time ?? TimeProvider.System;
    }

    /// <summary>
    /// <c>$XDG_STATE_HOME/cutpoint/freeze</c>, by default <c>~/.local/state/cutpoint/freeze</c>. One for all repositories, since a guest
    /// has one monitor.
    /// </summary>
    public static string DefaultDirectory { get; } = Path.Combine(
        Environment.GetEnvironmentVariable("XDG_STATE_HOME") is { Length: > 0 } state ? state
            : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".local", "state"), "cutpoint", "freeze");

    /// <summary>Where the intents lie.</summary>
    public string Directory { get; }

    /// <summary>
    /// Puts back every guest whose job was killed. Never touches one whose guard is alive, and never continues one that was paused before.
    /// </summary>
    /// <param name="socket">Only the guest with this monitor socket, or null for all.</param>
    /// <param name="cancellation">Ends the work between two guests or in the wait for one.</param>
    /// <returns>
    /// What was done now, and what guards did since this was last asked. A guest that could not be put back has its problem with it, and
    /// its intent stays.
    /// </returns>
    public async Task<IReadOnlyList<FreezeOutcome>> RecoverAsync(string? socket, CancellationToken cancellation)
    {
        if (!System.IO.Directory.Exists(Directory)) return [];
        var wanted = socket is null ? null : Path.GetFullPath(socket);
        var outcomes = new List<FreezeOutcome>();
        foreach (var path in Files(OutcomeSuffix))
        {
            if (TakeOutcome(path, wanted) is { } done) outcomes.Add(done);
        }
        foreach (var path in Files(IntentSuffix))
        {
            var name = path;
            try
            {
                if (Read(path) is not { } intent || (wanted is not null && intent.Socket != wanted)) continue;
                name = intent.Socket;
                outcomes.Add(await RecoverAsync(path, intent, cancellation));
            }
            catch (SnapshotException problem)
            {
                // A file that cannot be read speaks of nobody knows which guest; it must not keep jobs from the others.
                if (wanted is not null && name == path) continue;
                outcomes.Add(new FreezeOutcome(name, "unknown", false, "could not be put back") { Problem = problem });
            }
        }
        return outcomes;
    }

    /// <summary>Writes an intent so that it is there whatever process dies next; returns its path.</summary>
    /// <exception cref="SnapshotException">It cannot be written; nothing may be changed then.</exception>
    internal string Write(FreezeIntent intent)
    {
        var path = Path.Combine(Directory, string.Create(CultureInfo.InvariantCulture,
            $"{intent.Guard.Id}-{intent.Guard.StartTicks}-{_time.GetUtcNow():yyyyMMddHHmmssfffffff}{IntentSuffix}"));
        try
        {
            System.IO.Directory.CreateDirectory(Directory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            var draft = path + ".new";
            using (var file = new FileStream(draft, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                BufferSize = 0,
            }))
            {
                file.Write(intent.ToJson().Span);
                file.Flush(flushToDisk: true);
            }
            File.Move(draft, path);
            return path;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new SnapshotException(ErrorCode.Failed, $"{Directory}: the freeze intent cannot be written: {error.Message}",
                "make room there, or set XDG_STATE_HOME to a directory that can be written", error) { IsPreflight = true };
        }
    }

    /// <summary>The intent in a file, or null when it is gone: everything is back.</summary>
    internal static FreezeIntent? Read(string path)
    {
        try
        {
            if (new FileInfo(path).Length > MaxFileLength)
                throw new SnapshotException(ErrorCode.VerificationFailed, $"{path}: too long for a freeze intent", "remove the file");
            return FreezeIntent.FromJson(File.ReadAllBytes(path), path);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }

    /// <summary>Ends an intent: everything is back.</summary>
    internal static void Remove(string path) => File.Delete(path);

    /// <summary>Says beside an intent what its guard did.</summary>
    internal static void WriteOutcome(string path, FreezeOutcome outcome) =>
        File.WriteAllLines(
            Path.ChangeExtension(path, OutcomeSuffix), [outcome.Socket, outcome.Status, outcome.Thawed ? Yes : "", outcome.Details]);

    /// <summary>What the guard of an intent did, or null when it wrote nothing. Asking removes it.</summary>
    internal static FreezeOutcome? TakeOutcome(string intentPath) =>
        TakeOutcome(Path.ChangeExtension(intentPath, OutcomeSuffix), socket: null);

    /// <summary>Puts back a guest of this very process, whose guard was killed.</summary>
    internal async Task<FreezeOutcome> RecoverOwnAsync(string path, CancellationToken cancellation) =>
        Read(path) is { } intent
            ? await PutBackAsync(path, intent, cancellation) : new FreezeOutcome(path, "unknown", false, "nothing was left to put back");

    private async Task<FreezeOutcome> RecoverAsync(string path, FreezeIntent intent, CancellationToken cancellation)
    {
        if (!intent.IsOwned) return await PutBackAsync(path, intent, cancellation);
        if (intent.Worker.IsAlive)
        {
            return new FreezeOutcome(
                intent.Socket, FreezeOutcome.Held, false, string.Create(CultureInfo.InvariantCulture, $"process {intent.Worker.Id} is at work on it"))
            {
                Advice = "wait until that job is over",
            };
        }
        // The worker has ended before now, and the guard began at once.
        var (since, until) = (File.GetLastWriteTimeUtc(path), _time.GetUtcNow() + GuardProgram.LongestPutBack);
        return new FreezeOutcome(intent.Socket, FreezeOutcome.Held, false, string.Create(
            CultureInfo.InvariantCulture,
            $"its process {intent.Worker.Id} has ended, and its guard (process {intent.Guard.Id}, there since {since:HH:mm:ss} UTC) puts the guest back, until {until:HH:mm:ss} UTC at most or until a background snapshot has ended"))
        {
            Advice = string.Create(
                CultureInfo.InvariantCulture,
                $"wait until the guard has ended; should it never, see whether QEMU answers, end the guard with 'kill -KILL {intent.Guard.Id}', and run 'cutpoint doctor'"),
        };
    }

    private async Task<FreezeOutcome> PutBackAsync(string path, FreezeIntent intent, CancellationToken cancellation)
    {
        if (intent.IsVoid) return Gone(path, intent);
        QmpClient monitor;
        try
        {
            monitor = await QmpClient.ConnectAsync(intent.Socket, _time, cancellation);
        }
        catch (QmpException gone) when (gone.Failure is QmpFailure.NoSocket or QmpFailure.NobodyListens && intent.Qemu is null)
        {
            return Gone(path, intent);
        }
        await using (monitor)
        {
            // Another QEMU may listen at the same path by now; it owes us nothing.
            if (intent.Qemu is { } qemu && monitor.PeerProcessId is { } peer && peer != qemu.Id) return Gone(path, intent);
            var outcome = await FreezeRecovery.PutBackAsync(monitor, intent, continueGuest: true, Patience, _time, cancellation);
            if (intent.Qemu is { } process) WriteProtection.EndTracking(process.Id);
            if (outcome.Problem is null) Remove(path);
            return outcome;
        }
    }

    private static FreezeOutcome Gone(string path, FreezeIntent intent)
    {
        Remove(path);
        return new FreezeOutcome(intent.Socket, "gone", false, "the guest has ended");
    }

    private string[] Files(string suffix) =>
        [.. System.IO.Directory.EnumerateFiles(Directory, "*" + suffix).Order(StringComparer.Ordinal)];

    private static FreezeOutcome? TakeOutcome(string path, string? socket)
    {
        try
        {
            var lines = File.ReadAllLines(path);
            // Shorter when its guard is writing it right now.
            if (lines.Length < OutcomeLines || (socket is not null && lines[0] != socket)) return null;
            File.Delete(path);
            return new FreezeOutcome(lines[0], lines[1], lines[2] == Yes, lines[3]);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
    }
}
