namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>What became of a guest that was put back.</summary>
/// <param name="Socket">Path of its monitor's socket.</param>
/// <param name="Status">Its run state afterwards by QEMU's word, or "gone", "held" (its job is alive), "unknown".</param>
/// <param name="Thawed">True when it stood still and was continued.</param>
/// <param name="Details">What was done, for people; one line.</param>
public sealed record FreezeOutcome(string Socket, string Status, bool Thawed, string Details)
{
    /// <summary>The status of a guest somebody is at work on; it was not touched.</summary>
    internal const string Held = "held";

    /// <summary>What to do about a guest somebody is at work on.</summary>
    internal string? Advice { get; init; }

    /// <summary>What could not be done, or null when everything is back.</summary>
    public SnapshotException? Problem { get; init; }
}
