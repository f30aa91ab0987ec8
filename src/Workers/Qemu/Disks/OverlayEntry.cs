using System.Text.Json.Serialization;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>
/// The overlays of one guest made for one checkpoint, written down before the first of them exists. As long as the checkpoint is kept the images below them
/// must not change; once it is not, they are merged back.
/// </summary>
internal sealed record OverlayEntry
{
    /// <summary>The version of this record.</summary>
    public const int CurrentVersion = 1;

    /// <inheritdoc cref="CurrentVersion"/>
    public int Version { get; init; } = CurrentVersion;

    /// <summary>The set's own id; the overlays are named by it.</summary>
    public required string Id { get; init; }

    /// <summary>The repository of the checkpoint; empty when there is none.</summary>
    public required string Repository { get; init; }

    /// <summary>The checkpoint's id; it may never have come into being.</summary>
    public required string Checkpoint { get; init; }

    /// <summary>Path of the guest's monitor, absolute.</summary>
    public required string Socket { get; init; }

    /// <summary>The boot the process identities belong to.</summary>
    public required string Boot { get; init; }

    /// <summary>The guest's QEMU; null when its process is not visible.</summary>
    public ProcessIdentity? Qemu { get; init; }

    /// <summary>The process that takes the checkpoint; null once it is through. While it lives, the overlays are its business.</summary>
    public ProcessIdentity? Worker { get; init; }

    /// <summary>The overlays.</summary>
    public required IReadOnlyList<DiskOverlay> Overlays { get; init; }

    /// <summary>True while the process that takes the checkpoint is at work.</summary>
    [JsonIgnore]
    public bool IsOwned => Boot == ProcessIdentity.Boot && Worker is { IsAlive: true };

    /// <summary>True when the QEMU the overlays were made in is certainly not there any more.</summary>
    [JsonIgnore]
    public bool IsGone => Boot != ProcessIdentity.Boot || (Qemu is { } qemu && !qemu.IsAlive);
}

[JsonSerializable(typeof(OverlayEntry))]
internal sealed partial class OverlayJson : JsonSerializerContext;
