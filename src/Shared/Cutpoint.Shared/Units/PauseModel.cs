namespace Cutpoint.Units;

/// <summary>
/// What a pause consists of, in measured costs:
/// stop + the tracker's floor + min(rest, cut buffer) / copy rate + max(0, rest − cut buffer) / sink rate + device state + continue.
/// </summary>
public sealed record PauseModel
{
    /// <summary>From asking for the stop until the guest stands still.</summary>
    public TimeSpan Stop { get; init; }

    /// <summary>The last look for dirty pages, which takes its time however few there are.</summary>
    public TimeSpan TrackerFloor { get; init; }

    /// <summary>Octets of memory reserved for the rest, so that it need not wait for the sink.</summary>
    public long CutBuffer { get; init; }

    /// <summary>Octets per second at which pages are copied into the cut buffer.</summary>
    public double CopyRate { get; init; }

    /// <summary>Octets of guest pages per second the sink takes, over a recent window.</summary>
    public double SinkRate { get; init; }

    /// <summary>Writing the state of the devices.</summary>
    public TimeSpan Devices { get; init; }

    /// <summary>From asking for it until the guest runs.</summary>
    public TimeSpan Continue { get; init; }

    /// <summary>The pause of a guest without a single dirty page.</summary>
    public TimeSpan Floor => Sum(0);

    /// <summary>The pause if the guest were stopped now.</summary>
    /// <param name="rest">Octets of dirty pages.</param>
    /// <returns><see cref="TimeSpan.MaxValue"/> when it would never end.</returns>
    public TimeSpan Predict(long rest)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rest);
        var buffered = Math.Min(rest, CutBuffer);
        return Sum(Seconds(buffered, CopyRate) + Seconds(rest - buffered, SinkRate));
    }

    private static double Seconds(long octets, double rate) => octets == 0 ? 0 : rate > 0 ? octets / rate : double.PositiveInfinity;

    private TimeSpan Sum(double copying)
    {
        var seconds = Stop.TotalSeconds + TrackerFloor.TotalSeconds + copying + Devices.TotalSeconds + Continue.TotalSeconds;
        return seconds < TimeSpan.MaxValue.TotalSeconds ? TimeSpan.FromSeconds(seconds) : TimeSpan.MaxValue;
    }
}
