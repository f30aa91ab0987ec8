using System.Globalization;

namespace Cutpoint.Repository;

/// <summary>
/// Which checkpoints are kept by their age. Checkpoints of the same guests and the same name stand in one row, and each row is judged by itself: the newest
/// of each of the last so many hours, days, weeks, months and years that have one are kept, and the last so many whatever their age. A rule counts only
/// periods in which there is a checkpoint. Periods are those of a calendar, in a time zone.
/// </summary>
public sealed record RetentionPolicy
{
    /// <summary>How many of the newest are kept; null when this rule is not asked for.</summary>
    public int? Last { get; init; }

    /// <summary>For how many hours the newest of each is kept.</summary>
    public int? Hourly { get; init; }

    /// <summary>For how many days.</summary>
    public int? Daily { get; init; }

    /// <summary>For how many weeks, which begin on Monday.</summary>
    public int? Weekly { get; init; }

    /// <summary>For how many months.</summary>
    public int? Monthly { get; init; }

    /// <summary>For how many years.</summary>
    public int? Yearly { get; init; }

    /// <summary>True when no rule is asked for, so that it would keep nothing.</summary>
    public bool IsEmpty => (Last ?? Hourly ?? Daily ?? Weekly ?? Monthly ?? Yearly) is null;

    /// <summary>Judges every checkpoint.</summary>
    /// <param name="checkpoints">All of them, in any order.</param>
    /// <param name="zone">The time zone of the periods.</param>
    /// <returns>A decision for each, oldest first.</returns>
    /// <exception cref="SnapshotException">The policy is empty: it would forget everything.</exception>
    public IReadOnlyList<RetentionDecision> Decide(IReadOnlyList<CheckpointInfo> checkpoints, TimeZoneInfo zone)
    {
        ArgumentNullException.ThrowIfNull(checkpoints);
        ArgumentNullException.ThrowIfNull(zone);
        if (IsEmpty)
            throw new SnapshotException(ErrorCode.Usage, "no rule says what to keep", "give --keep-last N or another --keep option") { IsPreflight = true };
        return
        [
            .. checkpoints
                .GroupBy(one => string.Join('\0', one.Guests.Select(guest => guest.Name).Order(StringComparer.Ordinal).Append(one.Name ?? "")))
                .SelectMany(row => DecideRow(row, zone))
                .OrderBy(decision => decision.Checkpoint.CreatedAt).ThenBy(decision => decision.Checkpoint.Id),
        ];
    }

    private IEnumerable<RetentionDecision> DecideRow(IEnumerable<CheckpointInfo> row, TimeZoneInfo zone)
    {
        var newest = row.OrderByDescending(one => one.CreatedAt).ThenByDescending(one => one.Id).ToList();
        var reasons = newest.ConvertAll(_ => new List<string>());
        Keep(Last, "last", (_, place) => place.ToString(CultureInfo.InvariantCulture));
        Keep(Hourly, "hourly", (time, _) => Text($"{time:yyyy-MM-dd HH}"));
        Keep(Daily, "daily", (time, _) => Text($"{time:yyyy-MM-dd}"));
        Keep(Weekly, "weekly", (time, _) => Text($"{ISOWeek.GetYear(time)}-W{ISOWeek.GetWeekOfYear(time):00}"));
        Keep(Monthly, "monthly", (time, _) => Text($"{time:yyyy-MM}"));
        Keep(Yearly, "yearly", (time, _) => Text($"{time:yyyy}"));
        return newest.Zip(reasons, (checkpoint, why) => new RetentionDecision(checkpoint, why));

        void Keep(int? count, string rule, Func<DateTime, int, string> periodOf)
        {
            var left = count ?? 0;
            string? last = null;
            for (var place = 0; place < newest.Count && left > 0; place++)
            {
                var period = periodOf(TimeZoneInfo.ConvertTime(newest[place].CreatedAt, zone).DateTime, place);
                if (period == last) continue;
                last = period;
                left--;
                reasons[place].Add(rule == "last" ? rule : $"{rule} {period}");
            }
        }
    }

    private static string Text(FormattableString text) => FormattableString.Invariant(text);
}
