using Cutpoint.Workers.Export;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Restore;

/// <summary>
/// The RAM files of a guest, in a directory below <c>run/</c>. An image that is mapped copy-on-write never changes, so it is kept under the guest's root digest
/// and serves every clone of the same checkpoint; one that is mapped shared belongs to one guest and lies in its run directory.
/// <code>
/// absent ─ create, locked alone ─▶ filling ─ marked with this boot's id ─▶ complete ─ nobody maps or locks it: sweep ─▶ absent
/// </code>
/// The mark counts for this boot only: files are not flushed, so after a crash of the host nobody knows what they hold.
/// </summary>
internal sealed class GuestImage : IDisposable
{
    private const string MarkName = "complete";
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);

    private readonly StoredGuest _guest;
    private readonly IReadOnlyList<int> _blocks;
    private readonly FileStream? _lock;
    private readonly Dictionary<int, RamFile> _files = [];
    private readonly string _directory;

    private GuestImage(StoredGuest guest, IReadOnlyList<int> blocks, string directory, FileStream? locked)
    {
        _guest = guest;
        _blocks = blocks;
        _directory = directory;
        _lock = locked;
        Files = blocks.ToDictionary(block => guest.Blocks[block].Name, PathOf, StringComparer.Ordinal);
    }

    /// <summary>Path of each block's file, by the block's name.</summary>
    public IReadOnlyDictionary<string, string> Files { get; }

    /// <summary>Name of the image among the runs, or null when it belongs to a run itself.</summary>
    public string? Name => _lock is null ? null : Path.GetFileName(_directory);

    /// <summary>True when the files hold everything.</summary>
    public bool IsComplete { get; private set; }

    /// <summary>Octets that are to be filled in.</summary>
    public long Octets => _guest.Reader.ContentBytes;

    /// <summary>Opens the image all clones of a stored guest share. Waits while another process fills it. The files are there, complete or not, when it returns.</summary>
    public static async Task<GuestImage> OpenSharedAsync(
        string repository, StoredGuest guest, IReadOnlyList<int> blocks, TimeProvider time, CancellationToken cancellation)
    {
        var directory = Path.Combine(RunDirectory.Root(repository), guest.Reader.Manifest.Root.ToString());
        while (true)
        {
            try
            {
                RunDirectory.CreatePrivate(directory);
                var locked = RunDirectory.Lock(directory, alone: false);
                var image = new GuestImage(guest, blocks, directory, locked);
                if (image.IsMarked()) return image;
                locked.Dispose();
                return new GuestImage(guest, blocks, directory, RunDirectory.Lock(directory, alone: true)).Start();
            }
            catch (IOException) when (Directory.Exists(RunDirectory.Root(repository)))
            {
                // Being filled, or just being removed by a sweep.
                await Task.Delay(Poll, time, cancellation);
            }
        }
    }

    /// <summary>Starts the image of one guest alone, in its run directory.</summary>
    public static GuestImage CreateOwn(RunDirectory run, StoredGuest guest, IReadOnlyList<int> blocks) => new GuestImage(guest, blocks, run.Path, null).Start();

    /// <summary>Reads every page, checks it and puts it in place, on all processors. Only for an image that is not complete.</summary>
    public async Task FillAsync(IProgress<long>? progress, CancellationToken cancellation)
    {
        await _guest.Reader.ReadPagesAsync(
            (block, pages, octets) =>
            {
                if (_files.TryGetValue(block, out var file)) file.Write(pages, octets);
            },
            Environment.ProcessorCount, progress, cancellation);
        if (_lock is not null) File.WriteAllText(Path.Combine(_directory, MarkName), ProcessIdentity.Boot);
        IsComplete = true;
    }

    /// <summary>Lets go of the files; whoever maps them keeps them. Files that are not complete are removed.</summary>
    public void Dispose()
    {
        foreach (var file in _files.Values) file.Dispose();
        if (!IsComplete && _lock is not null) RunFiles.Remove(_directory);
        _lock?.Dispose();
    }

    private GuestImage Start()
    {
        // The one who was alone before may have completed it between the look and the lock.
        if (_lock is not null && IsMarked()) return this;
        try
        {
            foreach (var block in _blocks) _files[block] = RamFile.Create(PathOf(block), _guest.Blocks[block].Length);
            return this;
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    private bool IsMarked()
    {
        var mark = Path.Combine(_directory, MarkName);
        // A file that is missing or cut would be made and filled up with zeros by QEMU without a word.
        return IsComplete = File.Exists(mark) && File.ReadAllText(mark) == ProcessIdentity.Boot
            && _blocks.All(block => new FileInfo(PathOf(block)) is { Exists: true } file && file.Length == _guest.Blocks[block].Length);
    }

    private string PathOf(int block) => Path.Combine(_directory, $"{block}.ram");
}
