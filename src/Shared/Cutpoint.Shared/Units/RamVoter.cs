using Cutpoint.Guests;

namespace Cutpoint.Units;

/// <summary>
/// Votes for the whole RAM of a guest by predicting the pause. Satisfied when the prediction fits the budget; another pass only while passes help; then the
/// guest is cut anyway or given up. Never asks for more than the passes allowed. Not safe for concurrent use.
/// </summary>
public sealed class RamVoter
{
    private readonly RamVoterOptions _options;
    private TimeSpan? _before;
    private TimeSpan? _best;
    private int _helpless;
    private uint _asked;

    /// <summary>Creates the voter of one save.</summary>
    public RamVoter(RamVoterOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaxPasses, 1U, nameof(options));
        _options = options;
    }

    /// <summary>How near the last vote was to being satisfied: 0 to 100.</summary>
    public int Percent { get; private set; }

    /// <summary>Votes after a pass. Called once per pass that counts, in order; passes between them need no vote.</summary>
    /// <param name="unit">The unit that votes.</param>
    /// <param name="pass">The pass.</param>
    public Vote Decide(UnitKey unit, RamPass pass)
    {
        _asked++;
        var rest = pass.Rest ?? PredictRest(pass);
        _before = pass.Duration;
        var pause = rest is { } octets ? pass.Costs.Predict(octets) : (TimeSpan?)null;
        var (decision, reason) = Judge(pass, pause);
        Percent = decision == VoteDecision.Done || pause is { Ticks: 0 } ? 100
            : pause is { } known ? (int)Math.Min(99, 100 * (_options.Budget / known)) : 0;
        return new Vote(unit, pass.Pass, decision, reason) { PredictedPause = pause, Numbers = NumbersOf(pass, rest, pause) };
    }

    private (VoteDecision Decision, string Reason) Judge(RamPass pass, TimeSpan? pause)
    {
        if (pause is { } known)
        {
            if (known <= _options.Budget) return (VoteDecision.Done, $"{Text(known)} fit the budget of {Text(_options.Budget)}");
            if (pass.Costs.Floor > _options.Budget && !_options.CutAnyway)
            {
                return (
                    VoteDecision.GiveUp,
                    $"no pause can be shorter than {Text(pass.Costs.Floor)}, the budget is {Text(_options.Budget)}");
            }
            var helped = _best is not { } best || known < best * _options.HelpfulShare;
            _helpless = helped ? 0 : _helpless + 1;
            if (_best is null || known < _best) _best = known;
            if (_helpless >= _options.Patience) return End($"{Text(known)} do not fit, and the last {_helpless} passes did not help");
        }
        if (_asked >= _options.MaxPasses) return End($"all {_options.MaxPasses} passes are used");
        return (
            VoteDecision.AnotherPass,
            pause is { } over ? $"{Text(over)} exceed the budget of {Text(_options.Budget)}" : "how fast the guest writes is not known yet");

        (VoteDecision Decision, string Reason) End(string why) => _options.CutAnyway
            ? (VoteDecision.Done, why + "; cut anyway")
            : (VoteDecision.GiveUp, why);
    }

    /// <summary>
    /// The guest is expected to dirty as much as it did before this pass, and more when it had more time. It may have dirtied less: a set of pages that is
    /// rewritten all the time does not shrink with the interval, so that assuming less would be wrong for exactly the guests that matter.
    /// </summary>
    private long? PredictRest(RamPass pass)
    {
        // Pass 0 reads everything and so learns nothing about the guest's writes.
        if (_before is not { } before || pass.Pass == 0) return null;
        var stretch = before > TimeSpan.Zero ? Math.Max(1, pass.Duration / before) : 1;
        var octets = (double)pass.DirtyPages * Paging.PageSize * stretch;
        return octets < long.MaxValue ? (long)octets : long.MaxValue;
    }

    private Dictionary<string, double> NumbersOf(RamPass pass, long? rest, TimeSpan? pause)
    {
        var numbers = new Dictionary<string, double>
        {
            ["dirty_pages"] = pass.DirtyPages,
            ["emitted_bytes"] = pass.EmittedOctets,
            ["pass_seconds"] = pass.Duration.TotalSeconds,
            ["sink_bytes_per_second"] = pass.Costs.SinkRate,
            ["copy_bytes_per_second"] = pass.Costs.CopyRate,
            ["cut_buffer_bytes"] = pass.Costs.CutBuffer,
            ["tracker_floor_seconds"] = pass.Costs.TrackerFloor.TotalSeconds,
            ["pause_floor_seconds"] = pass.Costs.Floor.TotalSeconds,
            ["budget_seconds"] = _options.Budget.TotalSeconds,
        };
        if (rest is { } octets) numbers["rest_bytes"] = octets;
        if (pause is { } known) numbers["predicted_pause_seconds"] = known.TotalSeconds;
        // A rate nobody has measured may be infinite here, which JSON has no number for.
        return new(numbers.Where(static n => double.IsFinite(n.Value)));
    }

    private static string Text(TimeSpan time) => time == TimeSpan.MaxValue
        ? "an endless pause"
        : time.TotalSeconds < 10
            ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{time.TotalMilliseconds:0.#} ms")
            : string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{time.TotalSeconds:0.#} s");
}
