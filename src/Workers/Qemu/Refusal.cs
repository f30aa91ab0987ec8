namespace Cutpoint.Workers.Qemu;

/// <summary>Why a transport cannot capture a guest as asked.</summary>
/// <param name="Reason">In words that follow "the direct transport is not possible: ".</param>
internal sealed record Refusal(string Reason)
{
    /// <summary>Set when the only reason is that the shortest pause is longer than what is allowed.</summary>
    public TimeSpan? Floor { get; init; }
}
