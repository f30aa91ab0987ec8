using System.Globalization;
using Cutpoint.Guests;
using Cutpoint.Units;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>How the memory of one instant is had from a guest's own migration stream: which ways are right for it, and what each costs.</summary>
/// <param name="Strategy">The way.</param>
/// <param name="Reason">Why this one, for people.</param>
/// <param name="Costs">What its pause consists of, apart from dirty pages.</param>
internal sealed record StreamStrategy(CaptureStrategy Strategy, string Reason, PauseModel Costs)
{
    private const string BackgroundSnapshot = "background-snapshot";
    /// <summary>Octets per second a stream brings, by a safe margin.</summary>
    public const double StreamRate = 1e9;

    private const double GiB = 1L << 30;
    private static readonly TimeSpan Call = TimeSpan.FromMilliseconds(1);

    /// <summary>Chooses.</summary>
    /// <param name="inspection">The guest.</param>
    /// <param name="process">Its QEMU's process, or null when it cannot be seen.</param>
    /// <param name="asked">What the user asks for.</param>
    /// <exception cref="SnapshotException">What was asked for would be wrong for this guest; a preflight error.</exception>
    public static StreamStrategy Choose(QemuInspection inspection, int? process, CaptureOptions asked)
    {
        var paused = !inspection.Status.Running;
        var staysStopped = asked.After == AfterCut.Stop;
        switch (asked.Strategy)
        {
            case CaptureStrategy.Precopy:
                if (paused) return Stop(inspection, process, "the guest is paused, so one pass has everything");
                if (inspection.LosesWrites is { } lost)
                    throw Refuse(inspection, lost, OtherThanPasses(inspection, process, asked));
                return Precopy(inspection, "as asked");
            case CaptureStrategy.Background:
                if (paused) throw Refuse(inspection, "the guest is paused, and QEMU would make it run after a background snapshot", "take it with --strategy stop");
                if (staysStopped)
                    throw Refuse(inspection, "QEMU makes the guest run after a background snapshot, so it cannot stay stopped", "take it with --strategy stop");
                inspection.RequireCapabilities(BackgroundSnapshot);
                return Background(inspection, "as asked");
            case CaptureStrategy.Stop:
                return Stop(inspection, process, "as asked");
            default:
                if (paused) return Stop(inspection, process, "the guest is paused, so one pass has everything");
                if (asked.IsInGroup && !staysStopped && CanWriteProtect(inspection, process))
                    return Background(inspection, "the guest's RAM comes in its own stream, and its pause depends on nobody else in the group");
                if (inspection.LosesWrites is not { } losing) return Precopy(inspection, "the guest's RAM comes in its own stream");
                return IsBackgroundPossible(inspection, process, asked) ? Background(inspection, losing) : Stop(inspection, process, losing);
        }
    }

    /// <summary>Octets of memory the guest holds at most: what QEMU has resident, when that can be seen.</summary>
    public static long MemoryOf(QemuInspection inspection, int? process)
    {
        var all = inspection.Description.Blocks.Sum(block => block.Length);
        return process is { } id && ResidentSetOf(id) is { } resident ? Math.Min(all, resident) : all;
    }

    /// <summary>Whether a background snapshot is possible: of a guest that runs and shall run on, where QEMU may write-protect its memory.</summary>
    public static bool IsBackgroundPossible(QemuInspection inspection, int? process, CaptureOptions asked) =>
        inspection.Status.Running && asked.After == AfterCut.Continue && CanWriteProtect(inspection, process);

    /// <summary>What to do about a guest whose writes would be lost, by what is possible for it.</summary>
    public static string OtherThanPasses(QemuInspection inspection, int? process, CaptureOptions asked)
    {
        var stop = string.Create(
            CultureInfo.InvariantCulture, $"--strategy stop (a pause of about {Stop(inspection, process, "").Costs.Floor.TotalMilliseconds:0} ms)");
        var snapshot = IsBackgroundPossible(inspection, process, asked) ? "--strategy background or " : "";
        var sizes = inspection.LosingBlocks.All(name => inspection.Backings.Any(backing => backing.Block.Name == name && backing.Backend is not null))
            ? ", or give it RAM that is no multiple of 256 KiB, such as 8 KiB more" : "";
        return $"take it with {snapshot}{stop}, or run it in QEMU 9.0 or newer{sizes}";
    }

    private static StreamStrategy Precopy(QemuInspection inspection, string reason) =>
        new(CaptureStrategy.Precopy, reason, Model(inspection, TimeSpan.FromMilliseconds(25), perGiB: TimeSpan.FromMilliseconds(40)));

    private static StreamStrategy Background(QemuInspection inspection, string reason) =>
        new(CaptureStrategy.Background, reason, Model(inspection, TimeSpan.FromMilliseconds(3), perGiB: TimeSpan.FromMilliseconds(11)));

    private static StreamStrategy Stop(QemuInspection inspection, int? process, string reason)
    {
        var costs = Model(inspection, TimeSpan.FromMilliseconds(10), TimeSpan.Zero);
        // Everything is sent while the guest stands still.
        var sending = TimeSpan.FromSeconds(MemoryOf(inspection, process) / StreamRate);
        return new StreamStrategy(CaptureStrategy.Stop, reason, costs with { TrackerFloor = sending });
    }

    /// <summary>The last look at QEMU's dirty bitmap, and a snapshot's write protection, take their time by the size of the memory.</summary>
    private static PauseModel Model(QemuInspection inspection, TimeSpan devices, TimeSpan perGiB) => new()
    {
        Stop = Call,
        Continue = Call,
        Devices = devices,
        TrackerFloor = perGiB * (inspection.Description.Blocks.Sum(block => block.Length) / GiB),
        CopyRate = StreamRate,
    };

    /// <summary>Whether QEMU may use userfaultfd (as root, or where the system lets everybody) and the kernel can protect all of its memory.</summary>
    private static bool CanWriteProtect(QemuInspection inspection, int? process)
    {
        if (!inspection.Capabilities.ContainsKey(BackgroundSnapshot) || inspection.Backings.Any(backing => backing.IsOnDisk)) return false;
        try
        {
            if (File.ReadAllText("/proc/sys/vm/unprivileged_userfaultfd").Trim() == "1") return true;
            return process is { } id && StatusField(id, "Uid:") is { } users && users.Split('\t')[1] == "0";
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static long? ResidentSetOf(int process)
    {
        try
        {
            var text = StatusField(process, "VmRSS:");
            return text is not null && long.TryParse(text.Split(' ')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var kibibytes)
                ? kibibytes << 10 : null;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? StatusField(int process, string name) =>
        File.ReadLines(ProcessFiles.Path(process, "status"))
            .FirstOrDefault(line => line.StartsWith(name, StringComparison.Ordinal))?[name.Length..].Trim();

    private static SnapshotException Refuse(QemuInspection inspection, string reason, string advice) =>
        new(ErrorCode.Incompatible, $"guest {inspection.Description.Name}: {reason}", advice) { IsPreflight = true };
}
