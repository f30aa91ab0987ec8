using System.Globalization;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Guard;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>Whether and how a guest can be captured by the direct transport.</summary>
internal static class DirectTransport
{
    private const string IgnoreShared = "x-ignore-shared";

    /// <summary>
    /// The most octets that may come in the stream of the stop. They are written into memory while the guest stands still.
    /// </summary>
    private const long MostPrivate = 256L << 20;

    private static readonly TimeSpan SmallestStream = TimeSpan.FromMilliseconds(4);

    /// <summary>Opens a capture, or says why this guest cannot be captured so. The session stays the caller's in that case.</summary>
    public static async Task<(DirectCapture? Capture, Refusal? Refusal)> TryOpenAsync(
        QemuSession session, QemuInspection inspection, DiskCut disks, CaptureOptions options, GuardCommand program, TimeProvider time,
        CancellationToken cancellation)
    {
        if (options.Strategy == CaptureStrategy.Background) return Refuse("it has no background strategy");
        if (!inspection.Capabilities.ContainsKey(IgnoreShared)) return Refuse($"QEMU {inspection.Version} has no capability {IgnoreShared}");
        var shared = inspection.Backings.Where(b => b.Kind != QemuRamKind.Private && b.Path is not null).ToList();
        if (shared.Count == 0) return Refuse("no RAM block lies in a shared file (memory-backend-file or -memfd with share=on)");
        var others = inspection.Backings.Except(shared).ToList();
        var rest = others.Sum(b => b.Block.Length);
        if (rest > MostPrivate) return Refuse($"{rest >> 20} MiB of its memory are not shared");
        var nameless = shared.Where(b => b.Kind == QemuRamKind.NamelessFile).ToList();
        if (nameless.Count > 0 && !await DryLook.IsIgnoredAsync(session, inspection, nameless, cancellation))
            return Refuse($"this QEMU {inspection.Version} sends RAM of a memfd even when told to leave shared RAM out");

        var memory = await PrivateMemory.LookAsync(session, inspection, others, cancellation);
        var files = new List<SharedRam>();
        var trackers = new List<IDirtyTracker>();
        try
        {
            foreach (var backing in shared) files.Add(SharedRam.Open(backing.Block.Name, backing.Path!, backing.FileOffset, backing.Block.Length));
            var hashes = await TrackAsync(session, inspection, options, files, trackers, program, time);
            var ram = new DirectRam(files.Zip(trackers), options, SmallestStream + disks.Pause, memory, time);
            var (strategy, why) = Choose(session, options, ram);
            var floor = ram.PauseFloor(strategy == CaptureStrategy.Stop);
            if (session.WasRunning && options.Downtime is { } downtime && downtime < floor)
            {
                ram.Dispose();
                return (null, Refusal.OfFloor(ram.TrackerName, floor, downtime));
            }
            var reason = $"RAM is shared in {string.Join(", ", shared.Select(b => b.Path))}; {why}; dirty pages by {ram.TrackerName}{(hashes is null ? "" : $" ({hashes})")}";
            return (new DirectCapture(session, inspection, disks, ram, memory, strategy, reason, time), null);
        }
        catch (SnapshotException error) when (error.IsPreflight && options.Transport == CaptureTransport.Auto)
        {
            foreach (var opened in files.Concat<IDisposable>(trackers)) opened.Dispose();
            return Refuse(error.Message);
        }
        catch
        {
            foreach (var opened in files.Concat<IDisposable>(trackers)) opened.Dispose();
            throw;
        }
    }

    /// <summary>Chooses what tells the changes of each file.</summary>
    /// <returns>Why it is page hashes, when something better was looked for.</returns>
    private static async Task<string?> TrackAsync(
        QemuSession session, QemuInspection inspection, CaptureOptions options, List<SharedRam> files, List<IDirtyTracker> trackers, GuardCommand program,
        TimeProvider time)
    {
        // A guest that stands still is read once.
        var why = options.Tracking == DirtyTracking.Auto && options.Strategy != CaptureStrategy.Stop && session.WasRunning
            ? await ProtectAsync(session.Qemu?.Id, inspection, files, trackers, program, time) : "";
        if (why is null) return null;
        foreach (var tracker in trackers) tracker.Dispose();
        trackers.Clear();
        trackers.AddRange(files.Select(_ => new PageHashTracker()));
        return why.Length == 0 ? null : $"no write protection: {why}";
    }

    /// <summary>Has the kernel tell the changes of every file.</summary>
    /// <returns>Why that cannot be, or null.</returns>
    private static async Task<string?> ProtectAsync(
        int? process, QemuInspection inspection, List<SharedRam> files, List<IDirtyTracker> trackers, GuardCommand program, TimeProvider time)
    {
        if (process is not { } qemu) return "QEMU's process is not seen from here";
        if (WritesUnseen(inspection, qemu) is { } unseen) return unseen;
        if (ProcessMap.TryRead(qemu) is not { } map) return "this user may not read QEMU's mappings";
        foreach (var file in files)
        {
            var (tracker, why) = await WriteProtectTracker.TryCreateAsync(file, qemu, map, id => program.MakeFaultDescriptorAsync(id, time));
            if (tracker is null) return why;
            trackers.Add(tracker);
        }
        return null;
    }

    /// <summary>What of this guest writes to its memory past the page tables of QEMU's process, or null when nothing is known that does.</summary>
    private static string? WritesUnseen(QemuInspection inspection, int process)
    {
        if (inspection.Disks.FirstOrDefault(disk => disk.IsDirect) is { } direct)
            return $"disk '{direct.Name}' is read past the host's cache (cache=none), into pages the kernel does not see written";
        if (inspection.Description.CommandLine.Any(part => part.Contains("vhost-user", StringComparison.Ordinal)))
            return "the other side of a vhost-user device writes to the memory by itself";
        try
        {
            return MemorySharers.DeviceOf(process) is { } device ? $"{device} writes to the memory by itself" : null;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return "this user may not look into QEMU's process";
        }
    }

    private static (CaptureStrategy Strategy, string Why) Choose(QemuSession session, CaptureOptions options, DirectRam ram)
    {
        if (!session.WasRunning) return (CaptureStrategy.Stop, "the guest is paused already");
        if (options.Strategy == CaptureStrategy.Stop) return (CaptureStrategy.Stop, "as asked");
        return (CaptureStrategy.Precopy, $"passes while it runs, and a pause of at least {Milliseconds(ram.PauseFloor(false))}");
    }

    private static (DirectCapture?, Refusal?) Refuse(string reason) => (null, new Refusal(reason));

    private static string Milliseconds(TimeSpan span) => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMilliseconds:0.#} ms");
}
