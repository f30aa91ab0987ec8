namespace Cutpoint.Guests;

/// <summary>
/// What a guest is, apart from its state: enough to start it again and to refuse a host that cannot run it. Stored with every checkpoint as JSON;
/// unknown members of a newer version are ignored.
/// </summary>
public sealed record GuestDescription
{
    /// <summary>The driver that reads and writes such guests: "qemu", "reference".</summary>
    public required string Driver { get; init; }

    /// <summary>The guest's name, unique within a checkpoint.</summary>
    public required string Name { get; init; }

    /// <summary>The guest URI it was captured through.</summary>
    public required string Uri { get; init; }

    /// <summary>Version of the machine's program, such as "7.2.22".</summary>
    public string? Version { get; init; }

    /// <summary>Machine type, such as "pc-i440fx-7.2".</summary>
    public string? MachineType { get; init; }

    /// <summary>CPU model as the machine's program names it.</summary>
    public string? CpuModel { get; init; }

    /// <summary>Virtual CPUs.</summary>
    public int CpuCount { get; init; }

    /// <summary>The accelerator: "tcg", "kvm".</summary>
    public string? Accelerator { get; init; }

    /// <summary>The program and arguments the guest was started with; empty when unknown.</summary>
    public IReadOnlyList<string> CommandLine { get; init; } = [];

    /// <summary>Every RAM block; chunks name a block by its place in this list.</summary>
    public IReadOnlyList<RamBlock> Blocks { get; init; } = [];

    /// <summary>Guest-physical layout at the time of the cut, ascending, without overlap.</summary>
    public IReadOnlyList<MemoryRange> Memory { get; init; } = [];

    /// <summary>
    /// Files or nodes behind the guest's disks that were not frozen, for people: read-only media, and every disk of a guest that was taken without them.
    /// </summary>
    public IReadOnlyList<string> Disks { get; init; } = [];

    /// <summary>The guest's writable disks as of the cut; empty when it has none, or was taken without them.</summary>
    public IReadOnlyList<DiskSnapshot> DiskSnapshots { get; init; } = [];

    /// <summary>True when the guest was running before the checkpoint was taken.</summary>
    public bool WasRunning { get; init; }

    /// <summary>Facts only the driver understands, such as the stream's configuration; small.</summary>
    public IReadOnlyDictionary<string, string> Properties { get; init; } = new Dictionary<string, string>();

    /// <summary>True when something a reader counts on is null after all: JSON that others made can say that of anything.</summary>
    public bool HasNulls() =>
        Driver is null || Name is null || Uri is null
        || CommandLine is null || CommandLine.Any(word => word is null)
        || Blocks is null || Blocks.Any(block => block?.Name is null)
        || Memory is null || Memory.Any(range => range?.Block is null)
        || Disks is null || Disks.Any(disk => disk is null)
        || DiskSnapshots is null || DiskSnapshots.Any(disk => disk is null || disk.IsIncomplete)
        || Properties is null || Properties.Values.Any(value => value is null);
}
