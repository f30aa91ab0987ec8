using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>
/// What a look at a guest found; nothing about the guest was changed. The methods refuse, with reason and remedy, what this guest cannot
/// do.
/// </summary>
public sealed record QemuInspection
{
    /// <summary>Key of <see cref="GuestDescription.Properties"/>: QEMU's working directory.</summary>
    public const string DirectoryProperty = "qemu.directory";

    /// <summary>Key of <see cref="GuestDescription.Properties"/>: QEMU's program file.</summary>
    public const string ExecutableProperty = "qemu.executable";

    /// <summary>Key of <see cref="GuestDescription.Properties"/>: the machine's UUID, when its command line gives it one.</summary>
    public const string MachineUuidProperty = "qemu.machine-uuid";

    /// <summary>Key of <see cref="GuestDescription.Properties"/>: QEMU's process as "number/start", for as long as it lives.</summary>
    public const string ProcessProperty = "qemu.process";

    // "physmem: Fix migration dirty bitmap coherency with TCG memory access".
    private static readonly Version LostWritesFixed = new(9, 0);
    private const long AlignedScan = 64L * Paging.PageSize;

    /// <summary>The description to store. Its memory map is that of the moment of the look.</summary>
    public required GuestDescription Description { get; init; }

    /// <summary>QEMU's version.</summary>
    public required Version Version { get; init; }

    /// <summary>The run state.</summary>
    public required QemuStatus Status { get; init; }

    /// <summary>The migration under way, or the last one, with what blocks migration.</summary>
    public required QemuMigration Migration { get; init; }

    /// <summary>Every migration capability this QEMU knows.</summary>
    public required IReadOnlyDictionary<string, bool> Capabilities { get; init; }

    /// <summary>Every RAM block of the description, in its order, and what lies behind it.</summary>
    public required IReadOnlyList<QemuRamBacking> Backings { get; init; }

    /// <summary>The guest's disks with an image in them.</summary>
    internal IReadOnlyList<BlockDevice> Disks { get; init; } = [];

    /// <summary>
    /// Why a live multi-pass capture of this guest would lose writes, or null when it would not. With TCG, QEMU before 9.0 takes over the
    /// dirty bitmap of a block whose length is a multiple of 256 KiB without telling the translated code, so later writes to pages already
    /// sent go unseen. ROM is not concerned: the guest does not write it.
    /// </summary>
    public string? LosesWrites
    {
        get
        {
            var names = string.Join(", ", LosingBlocks);
            return names.Length == 0 ? null
                : $"QEMU {Version} with TCG loses writes to {names} during a live multi-pass migration"
                    + " (fixed in 9.0; only blocks whose length is a multiple of 256 KiB)";
        }
    }

    /// <summary>The RAM blocks <see cref="LosesWrites"/> speaks of; usually none.</summary>
    public IReadOnlyList<string> LosingBlocks => Description.Accelerator != "tcg" || Version >= LostWritesFixed ? []
        : [.. Description.Blocks.Where(block => !block.IsReadOnly && block.Length % AlignedScan == 0).Select(block => block.Name)];

    /// <summary>Refuses a guest that cannot be captured at all: migration blocked or under way, or a state that cannot be saved.</summary>
    /// <exception cref="SnapshotException">It cannot; a preflight error.</exception>
    public void RequireCapturable()
    {
        if (!Migration.IsOver)
        {
            throw Refuse(ErrorCode.Locked, $"is already being migrated (state '{Migration.Status}')",
                "wait until that migration is over, or cancel it with 'migrate_cancel'");
        }
        if (Migration.BlockedReasons.Count > 0)
        {
            throw Refuse(ErrorCode.Incompatible, $"cannot be saved: {string.Join("; ", Migration.BlockedReasons)}",
                "detach the device that blocks migration");
        }
        switch (Status.Name)
        {
            case "inmigrate":
                throw Refuse(ErrorCode.Incompatible, "waits for an incoming migration; it has no state yet",
                    "let its migration come in first");
            case "postmigrate":
                throw Refuse(ErrorCode.Incompatible, "stands still since a migration; QEMU saves such a guest only once",
                    "continue it with 'cont', and stop it again if it shall be captured paused");
            case "suspended":
                throw Refuse(ErrorCode.Incompatible, "is suspended to RAM and could not be continued after the cut",
                    "wake it with 'system_wakeup'");
            case "finish-migrate" or "save-vm" or "restore-vm" or "colo" or "preconfig":
                throw Refuse(ErrorCode.Locked, $"is in the state '{Status.Name}'", "wait until QEMU is through with it");
        }
    }

    /// <summary>Refuses a QEMU that lacks a capability.</summary>
    /// <exception cref="SnapshotException">It does; a preflight error that names version and capability.</exception>
    public void RequireCapabilities(params IEnumerable<string> names)
    {
        foreach (var name in names)
        {
            if (Capabilities.ContainsKey(name)) continue;
            throw Refuse(ErrorCode.Incompatible, $"runs in QEMU {Version}, which has no migration capability '{name}'",
                "use a newer QEMU, or another transport or strategy");
        }
    }

    private SnapshotException Refuse(ErrorCode code, string what, string advice) =>
        new(code, $"guest {Description.Name} ({Description.Uri}) {what}", advice) { IsPreflight = true };
}
