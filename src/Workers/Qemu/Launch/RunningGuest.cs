namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>A guest that was restored.</summary>
/// <param name="ProcessId">Its QEMU, or null when that is not visible from here.</param>
/// <param name="QmpSocket">Its monitor.</param>
/// <param name="Status">Its run state by QEMU's word.</param>
public sealed record RunningGuest(int? ProcessId, string QmpSocket, QemuStatus Status)
{
    /// <summary>Where QEMU's messages go; null when somebody else started it.</summary>
    public string? Log { get; init; }

    /// <summary>Sockets and output files of the recorded command line (serial lines, monitors, logs), and where they are now.</summary>
    public IReadOnlyDictionary<string, string> Moved { get; init; } = new Dictionary<string, string>();
}
