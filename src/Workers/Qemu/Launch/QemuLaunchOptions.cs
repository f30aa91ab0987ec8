namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>How a guest is started from its recorded definition.</summary>
public sealed record QemuLaunchOptions
{
    /// <summary>
    /// The guest's own directory: monitor socket <c>qmp</c>, log <c>qemu.log</c>, and every socket and output file of the recorded command
    /// line, under its last name. So a guest and its clones never take each other's. Created when missing, for its owner only.
    /// </summary>
    public required string Directory { get; init; }

    /// <summary>
    /// True maps RAM files shared, so that the guest can be captured directly again and its writes reach the file; false maps them
    /// copy-on-write, so that one file can start any number of clones.
    /// </summary>
    public bool SharedMemory { get; init; }

    /// <summary>New paths for sockets and output files of the recorded command line, where the default place will not do.</summary>
    public IReadOnlyDictionary<string, string> Paths { get; init; } = new Dictionary<string, string>();

    /// <summary>
    /// Sockets on which other guests of the same restore listen: their new paths, by their old ones in full. A guest that connects to one follows it, so
    /// that guests that were connected are connected again, and to each other.
    /// </summary>
    public IReadOnlyDictionary<string, string> Peers { get; init; } = new Dictionary<string, string>();

    /// <summary>QEMU's program, or null for the recorded one.</summary>
    public string? Program { get; init; }

    /// <summary>How long QEMU may take from its start until its monitor greets.</summary>
    public TimeSpan StartDeadline { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;
}
