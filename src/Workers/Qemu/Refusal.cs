using System.Globalization;

namespace Cutpoint.Workers.Qemu;

/// <summary>Why a transport cannot capture a guest as asked.</summary>
/// <param name="Reason">In words that follow "the direct transport is not possible: ".</param>
internal sealed record Refusal(string Reason)
{
    /// <summary>Set when the only reason is that the shortest pause is longer than what is allowed.</summary>
    public TimeSpan? Floor { get; init; }

    /// <summary>A floor above what is allowed.</summary>
    public static Refusal OfFloor(string with, TimeSpan floor, TimeSpan allowed) => new(
        string.Create(
            CultureInfo.InvariantCulture,
            $"its shortest pause with {with} is {floor.TotalMilliseconds:0.#} ms, allowed are {allowed.TotalMilliseconds:0.#} ms"))
    {
        Floor = floor,
    };
}
