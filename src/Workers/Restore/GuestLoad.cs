using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Launch;

namespace Cutpoint.Workers.Restore;

/// <summary>
/// One guest on its way back into QEMU.
/// <code>
/// direct   create files ─▶ ┌ start QEMU, which maps them ┐ ─▶ not touched before they were complete? ─▶ device stream ─▶ stopped, loaded
///                          └ fill them from the packs    ┘         (else: start it again)
/// stream   start QEMU, or connect to one ─▶ whole stream, written while the packs are read ─▶ stopped, loaded
/// </code>
/// Disposal before the release ends a QEMU launched here and removes its files. One call at a time.
/// </summary>
internal sealed class GuestLoad(
    DirectoryRepository repository, StoredGuest guest, RestoreOptions options, TimeProvider time, IProgress<RestoreProgress>? progress) : IAsyncDisposable
{
    /// <summary>A Unix socket's path has 107 octets and a zero.</summary>
    private const int MaxSocketPath = 107;

    /// <summary>QEMU frees such a device's pages in the RAM file itself, also in one that is mapped privately: other clones would lose them.</summary>
    private static readonly string[] MemoryReturningDevices = ["virtio-balloon", "virtio-mem"];

    private readonly bool _shared = options.SharedMemory ?? RamPlacement.NeedsSharedMemory(guest.Description);
    private RunDirectory? _run;
    private IReadOnlyDictionary<string, string> _peers = new Dictionary<string, string>();
    private GuestImage? _image;
    private QemuIncoming? _machine;
    private RestoreTransport _transport;
    private bool _isClone;

    private GuestDescription Description => guest.Description;

    private bool IsToRun => Description.WasRunning && !options.Paused;

    /// <summary>
    /// Finds out whether the guest can be started, and gives it a directory: its sockets and those it connects to are known from here on. Null when somebody
    /// else has started its QEMU.
    /// </summary>
    public QemuLaunchPlan? Prepare()
    {
        // The stream's own demands first, so that a guest that is none of QEMU's is refused before anything is started.
        _ = QemuStoredState.ConfigurationOf(Description);
        Report(RestoreStep.Preparing, 0, 0);
        if (options.Target is not null) return null;
        _run = RunDirectory.Create(repository.Directory, time);
        CheckSocketPath(_run.Path);
        return QemuCommandLine.Plan(Description, new Dictionary<string, string>(), LaunchOptions(_run));
    }

    /// <summary>Loads the guest; it stands still afterwards.</summary>
    /// <param name="peers">New paths of the sockets other guests of this restore listen on, by their old ones.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    public async Task LoadAsync(IReadOnlyDictionary<string, string> peers, CancellationToken cancellation)
    {
        _peers = peers;
        if (options.Target is { } target)
        {
            await ConnectAsync(target, cancellation);
            return;
        }
        var blocks = options.Transport == RestoreTransport.Stream ? [] : RamPlacement.FileBlocks(Description);
        if (blocks.Count == 0 && options.Transport == RestoreTransport.Direct)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"QEMU cannot be given the RAM of guest {Description.Name} as a file: its recorded command line names none",
                "leave the transport to Cutpoint") { IsPreflight = true };
        }
        var run = _run ?? throw new InvalidOperationException("the guest is not prepared");
        _transport = blocks.Count > 0 ? RestoreTransport.Direct : RestoreTransport.Stream;
        if (blocks.Count > 0) await LoadDirectAsync(run, blocks, cancellation);
        else await LoadStreamAsync(await LaunchAsync(run, new Dictionary<string, string>(), cancellation), cancellation);
    }

    /// <summary>Lets the guest run, if it is to.</summary>
    public async Task ContinueAsync(CancellationToken cancellation)
    {
        Report(RestoreStep.Running, 0, 0);
        if (IsToRun) await _machine!.ContinueAsync(cancellation);
    }

    /// <summary>Gives the guest its own life.</summary>
    public async Task<RestoredGuest> ReleaseAsync(CancellationToken cancellation)
    {
        var machine = await _machine!.ReleaseAsync(cancellation);
        if (IsToRun && !machine.Status.Running)
        {
            throw new SnapshotException(
                ErrorCode.Failed, $"guest {Description.Name} was loaded and told to run, but its state is '{machine.Status.Name}'", $"look at its monitor {machine.QmpSocket}");
        }
        if (machine.ProcessId is { } id && ProcessIdentity.Of(id) is { } process)
        {
            // A QEMU somebody else started has no files here, but its next checkpoint wants to know what it comes from.
            if (_run is null && !repository.IsReadOnly) _run = RunDirectory.Create(repository.Directory, time);
            _run?.Keep(process, _image?.Name, new RunOrigin(guest.Reader.Checkpoint.ToString(), Description.Name));
        }
        return new RestoredGuest(Description.Name, _transport, _transport == RestoreTransport.Direct && _shared, machine)
        {
            Directory = options.Target is null ? _run?.Path : null,
            IsClone = _isClone,
        };
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_machine is not null) await _machine.DisposeAsync();
        _image?.Dispose();
        _run?.Dispose();
    }

    private async Task ConnectAsync(GuestUri target, CancellationToken cancellation)
    {
        if (target.Scheme != "qemu")
            throw new SnapshotException(ErrorCode.Usage, $"guest {Description.Name} is a QEMU guest and cannot go to '{target}'", "give --to qemu:SOCKET") { IsPreflight = true };
        if (options.Transport == RestoreTransport.Direct)
        {
            throw new SnapshotException(
                ErrorCode.Usage, "a QEMU that waits already has its memory: it takes the whole guest as a stream", "use --launch for the direct transport") { IsPreflight = true };
        }
        _transport = RestoreTransport.Stream;
        _machine = await QemuIncoming.ConnectAsync(target.Target, Description, time, cancellation);
        await LoadStreamAsync(_machine, cancellation);
    }

    private async Task LoadDirectAsync(RunDirectory run, IReadOnlyList<int> blocks, CancellationToken cancellation)
    {
        _image = _shared || ReturnsMemory()
            ? GuestImage.CreateOwn(run, guest, blocks)
            : await GuestImage.OpenSharedAsync(repository.Directory, guest, blocks, time, cancellation);
        if (_image.IsComplete)
        {
            _isClone = true;
            _machine = await LaunchAsync(run, _image.Files, cancellation);
        }
        else
        {
            CheckSpace(_image.Octets);
            await FillAndLaunchAsync(run, _image, cancellation);
        }
        Report(RestoreStep.Devices, 0, 0);
        var stream = new MigrationStream(guest) { Present = blocks.ToHashSet(), BlockNames = _machine!.BlockNames };
        await _machine.LoadAsync(stream.WriteAsync, ignoreShared: true, cancellation);
    }

    /// <summary>
    /// Starts QEMU while the files are being filled. A QEMU that waits for a guest has no reason to touch its RAM, but if it did, a private mapping would keep
    /// what was there before the fill. So it is asked of the kernel afterwards, and a QEMU that has touched anything is started again.
    /// </summary>
    private async Task FillAndLaunchAsync(RunDirectory run, GuestImage image, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var fill = Task.Run(() => image.FillAsync(ProgressOf(RestoreStep.Memory, image.Octets), either.Token), CancellationToken.None);
        try
        {
            _machine = await LaunchAsync(run, image.Files, either.Token);
            await fill;
        }
        catch
        {
            await either.CancelAsync();
            await ((Task)fill).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            throw;
        }
        if (_machine.ProcessId is { } process && MappedFiles.AreUntouched(process, [.. image.Files.Values])) return;
        await _machine.DisposeAsync();
        _machine = await LaunchAsync(run, image.Files, cancellation);
    }

    private async Task LoadStreamAsync(QemuIncoming machine, CancellationToken cancellation)
    {
        _machine = machine;
        var total = guest.Blocks.Sum(block => block.Length);
        var stream = new MigrationStream(guest) { BlockNames = machine.BlockNames, Progress = ProgressOf(RestoreStep.Memory, total) };
        await machine.LoadAsync(stream.WriteAsync, ignoreShared: false, cancellation);
    }

    private Task<QemuIncoming> LaunchAsync(RunDirectory run, IReadOnlyDictionary<string, string> ramFiles, CancellationToken cancellation) =>
        QemuIncoming.LaunchAsync(Description, ramFiles, LaunchOptions(run), cancellation);

    private QemuLaunchOptions LaunchOptions(RunDirectory run) => new()
    {
        Directory = run.Path, SharedMemory = _shared, Paths = options.Paths, Peers = _peers, Program = options.Program, Time = time,
    };

    private bool ReturnsMemory() =>
        guest.Devices.Any(device => MemoryReturningDevices.Any(name => device.Unit.Name.EndsWith(name, StringComparison.Ordinal)));

    private static void CheckSocketPath(string directory)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(directory) + "/qmp".Length <= MaxSocketPath) return;
        throw new SnapshotException(
            ErrorCode.Usage, $"{directory} is too long for the path of a socket, which has at most {MaxSocketPath} octets",
            "reach the repository by a shorter path, such as a symbolic link") { IsPreflight = true };
    }

    private void CheckSpace(long octets)
    {
        var free = new DriveInfo(repository.RunDirectory).AvailableFreeSpace;
        if (free >= octets) return;
        throw new SnapshotException(
            ErrorCode.NoSpace, $"the RAM files of guest {Description.Name} need {octets >> 20} MiB in {repository.RunDirectory}, {free >> 20} MiB are free",
            "run 'cutpoint gc', free space, or restore with --transport stream") { IsPreflight = true };
    }

    private void Report(RestoreStep step, long done, long total) => progress?.Report(new RestoreProgress(Description.Name, step, done, total));

    private Steps? ProgressOf(RestoreStep step, long total) => progress is null ? null : new Steps(this, step, total);

    private sealed class Steps(GuestLoad load, RestoreStep step, long total) : IProgress<long>
    {
        public void Report(long value) => load.Report(step, value, total);
    }
}
