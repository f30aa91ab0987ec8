using System.Text.Json;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu;

/// <summary>The state of a guest's current or last outgoing or incoming migration.</summary>
/// <param name="Status">
/// QEMU's word: "none", "setup", "active", "pre-switchover", "device", "completed", "failed", "cancelling", "cancelled", …
/// </param>
/// <param name="Error">QEMU's reason for a failure, or null.</param>
public sealed record QemuMigration(string Status, string? Error)
{
    /// <summary>Octets sent so far.</summary>
    public long Transferred { get; init; }

    /// <summary>Octets of all RAM blocks that are not ignored; 0 before QEMU has counted them.</summary>
    public long Total { get; init; }

    /// <summary>Octets of RAM left by QEMU's count.</summary>
    public long Remaining { get; init; }

    /// <summary>How often QEMU has taken over the dirty bitmap; the passes.</summary>
    public long Passes { get; init; }

    /// <summary>Pages the guest dirtied per second when QEMU last looked.</summary>
    public long DirtyPagesPerSecond { get; init; }

    /// <summary>Reasons why this guest cannot be migrated; empty when there are none.</summary>
    public IReadOnlyList<string> BlockedReasons { get; init; } = [];

    /// <summary>True when nothing is under way.</summary>
    public bool IsOver => Status is "none" or "completed" or "failed" or "cancelled";

    internal static QemuMigration Parse(JsonElement answer)
    {
        var ram = answer.TryGetProperty("ram", out var statistics) && statistics.ValueKind == JsonValueKind.Object ? statistics : default;
        long Count(string name) =>
            ram.ValueKind == JsonValueKind.Object && ram.TryGetProperty(name, out var value) && value.TryGetInt64(out var count)
                ? count : 0;
        return new QemuMigration(answer.Text("status") ?? "none", answer.Text("error-desc"))
        {
            Transferred = Count("transferred"),
            Total = Count("total"),
            Remaining = Count("remaining"),
            Passes = Count("dirty-sync-count"),
            DirtyPagesPerSecond = Count("dirty-pages-rate"),
            BlockedReasons = answer.TryGetProperty("blocked-reasons", out var reasons) && reasons.ValueKind == JsonValueKind.Array
                ? [.. reasons.EnumerateArray().Select(reason => reason.ToString())] : [],
        };
    }
}
