using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Units;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>A repository in a directory of its own, a worker, and a coordinator that does the usual thing.</summary>
internal sealed class CaptureRun : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private const string Guest = "g";

    private readonly DirectoryRepository _repository;
    private readonly CheckpointWriter _writer;
    private readonly CaptureWorker _worker;
    private readonly string? _directory;

    private CaptureRun(string? directory, DirectoryRepository repository, CheckpointWriter writer, CaptureWorker worker)
    {
        _directory = directory;
        _repository = repository;
        _writer = writer;
        _worker = worker;
    }

    public List<WorkerReport> Reports { get; } = [];

    public DirectoryRepository Repository => _repository;

    public GuestOpened Opened => Reports.OfType<GuestOpened>().Single();

    public CutReport Cut => Reports.OfType<CutEnded>().Last().Cut;

    public IEnumerable<PassReport> Passes => Reports.OfType<PassFinished>().Select(p => p.Report);

    public PassReport FinalPass => Reports.OfType<GuestDrained>().Single().FinalPass;

    /// <param name="driver">Opens the guest.</param>
    /// <param name="time">The clock of the worker.</param>
    /// <param name="codec">Codec of the sections.</param>
    /// <param name="wrap">Puts something in front of the store.</param>
    /// <param name="into">A repository that is there already, or null for one that ends with the run.</param>
    /// <param name="start">What the capture starts from.</param>
    public static async Task<CaptureRun> StartAsync(
        IGuestDriver driver, TimeProvider? time = null, string codec = "zstd", Func<IGuestStore, IGuestStore>? wrap = null,
        DirectoryRepository? into = null, string start = JobPlan.NoBase)
    {
        var directory = into is null ? Directory.CreateTempSubdirectory("cutpoint-capture-").FullName : null;
        var repository = into
            ?? await DirectoryRepository.InitAsync(RepositoryLocation.Parse(Path.Combine(directory!, "repository")), TimeProvider.System, default);
        var writer = await repository.BeginAsync(new CheckpointOptions { Codec = Codec.Parse(codec) }, default);
        var from = await CaptureBase.ResolveAsync(repository, start, default);
        var worker = new CaptureWorker(
            [driver],
            async (guest, token) =>
            {
                var store = await from.OpenAsync(writer, guest, token);
                return wrap is null ? store : wrap(store);
            },
            null,
            time ?? TimeProvider.System);
        return new CaptureRun(directory, repository, writer, worker);
    }

    /// <summary>Takes a checkpoint: passes while they are asked for, cut, release, drain, commit, close.</summary>
    public async Task<CheckpointInfo> TakeAsync(string uri, CaptureOptions? options = null)
    {
        await DrainAsync(uri, options ?? new CaptureOptions { FreezeLimit = Patience });
        var checkpoint = await CommitAsync();
        var closed = await AskAsync<GuestClosed>(new CloseGuest("j", Guest, Keep: true));
        Assert.Null(closed.Trouble);
        return checkpoint;
    }

    /// <summary>Everything but the commit and the close.</summary>
    public Task DrainAsync(string uri, AfterCut after, bool hadVoidCut = false) =>
        DrainAsync(uri, new CaptureOptions { FreezeLimit = Patience, After = after }, hadVoidCut);

    private async Task DrainAsync(string uri, CaptureOptions options, bool hadVoidCut = false)
    {
        var opened = await AskAsync<GuestOpened>(new OpenGuest("j", Guest, uri, options, "zstd"));
        for (uint pass = 0; opened.Strategy == CaptureStrategy.Precopy; pass++)
        {
            var finished = await AskAsync<PassFinished>(new RunPass("j", Guest, pass));
            if (finished.Decision == VoteDecision.Done) break;
            if (finished.Decision == VoteDecision.GiveUp) throw new SnapshotException(ErrorCode.NotConverged, "gave up");
        }
        if (hadVoidCut)
        {
            await AskAsync<CutHeld>(new MakeCut("j", Guest, 0));
            await AskAsync<CutEnded>(new ReleaseCut("j", Guest, 0) { IsVoid = true });
            await AskAsync<PassFinished>(new RunPass("j", Guest, 0));
        }
        await AskAsync<CutHeld>(new MakeCut("j", Guest, 1));
        await AskAsync<CutEnded>(new ReleaseCut("j", Guest, 1));
        await AskAsync<GuestDrained>(new DrainGuest("j", Guest));
    }

    /// <summary>Commits what was drained.</summary>
    public ValueTask<CheckpointInfo> CommitAsync() => _writer.CommitAsync(default);

    /// <summary>Sends a command and waits for its answer.</summary>
    /// <exception cref="SnapshotException">The worker reported a failure.</exception>
    public async Task<T> AskAsync<T>(WorkerCommand command)
        where T : WorkerReport
    {
        await _worker.SendAsync(command, default);
        return await NextAsync<T>();
    }

    public ValueTask SendAsync(WorkerCommand command) => _worker.SendAsync(command, default);

    public async Task<T> NextAsync<T>()
        where T : WorkerReport
    {
        using var late = new CancellationTokenSource(Patience);
        var report = await _worker.ReceiveAsync(late.Token);
        Reports.Add(report);
        return report switch
        {
            T expected => expected,
            GuestFailed failed => throw failed.Error.ToException(),
            GuestClosed => throw new SnapshotException(ErrorCode.Cancelled, "closed"),
            _ => throw new InvalidOperationException($"{report} instead of {typeof(T).Name}"),
        };
    }

    /// <summary>The next report, whatever it says.</summary>
    public async Task<WorkerReport> NextAnyAsync()
    {
        using var late = new CancellationTokenSource(Patience);
        Reports.Add(await _worker.ReceiveAsync(late.Token));
        return Reports[^1];
    }

    public Task<GuestClosed> CloseAsync(bool keep = false) => AskAsync<GuestClosed>(new CloseGuest("j", Guest, keep));

    /// <summary>Closes a guest whose capture has failed, however far it came, and reads what the worker still has to say.</summary>
    public async Task FinishAsync()
    {
        await SendAsync(new CloseGuest("j", Guest, Keep: false));
        using var late = new CancellationTokenSource(Patience);
        do Reports.Add(await _worker.ReceiveAsync(late.Token));
        while (Reports[^1] is not GuestClosed);
    }

    /// <summary>The octets of a RAM block as stored.</summary>
    public Task<byte[]> ReadBlockAsync(CheckpointInfo checkpoint, int block) => ReadBlockAsync(checkpoint, _ => block);

    /// <summary>The octets of a RAM block as stored.</summary>
    public Task<byte[]> ReadBlockAsync(CheckpointInfo checkpoint, string block) =>
        ReadBlockAsync(checkpoint, manifest => manifest.Blocks.ToList().FindIndex(one => one.Name == block));

    private async Task<byte[]> ReadBlockAsync(CheckpointInfo checkpoint, Func<GuestManifest, int> choose)
    {
        await using var reader = await _repository.OpenCheckpointAsync(checkpoint, default);
        var guest = reader.Guest(null);
        var block = choose(guest.Manifest);
        var octets = new byte[guest.Manifest.Blocks[block].Length];
        await guest.ReadAsync(block, 0, octets, default);
        return octets;
    }

    public async ValueTask DisposeAsync()
    {
        await _worker.DisposeAsync();
        await _writer.DisposeAsync();
        if (_directory is null) return;
        await _repository.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }
}
