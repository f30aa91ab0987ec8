using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class RetentionTests
{
    private static readonly DateTimeOffset Start = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private static readonly string[] NewYear = ["2026-12-27", "2026-12-28", "2027-01-01", "2027-01-03", "2027-01-04"];

    [Fact]
    public void The_newest_of_each_period_is_kept_and_periods_without_a_checkpoint_do_not_count()
    {
        // Two a day at 01:00 and 13:00, with no checkpoint from the 10th to the 19th.
        var all = Enumerable.Range(0, 60).Select(half => At(new DateTimeOffset(2026, 1, 1, 1, 0, 0, TimeSpan.Zero).AddHours(12 * half)))
            .Where(one => one.CreatedAt.Month != 1 || one.CreatedAt.Day is < 10 or > 19).ToList();
        var kept = Kept(new RetentionPolicy { Last = 1, Daily = 12, Weekly = 3, Monthly = 9 }, all);
        Assert.Equal(
            new Dictionary<string, string>
            {
                ["30T13"] = "last, daily 2026-01-30, weekly 2026-W05, monthly 2026-01",
                ["29T13"] = "daily 2026-01-29", ["28T13"] = "daily 2026-01-28", ["27T13"] = "daily 2026-01-27", ["26T13"] = "daily 2026-01-26",
                ["25T13"] = "daily 2026-01-25, weekly 2026-W04",
                ["24T13"] = "daily 2026-01-24", ["23T13"] = "daily 2026-01-23", ["22T13"] = "daily 2026-01-22", ["21T13"] = "daily 2026-01-21",
                ["20T13"] = "daily 2026-01-20",
                ["09T13"] = "daily 2026-01-09, weekly 2026-W02",
            },
            kept);
    }

    [Fact]
    public void Weeks_begin_on_Monday_and_belong_to_the_year_of_their_Thursday()
    {
        // The 1st of January 2027 is a Friday: it and the last days of 2026 are one week.
        var all = NewYear
            .Select(day => At(DateTimeOffset.Parse(day + "T12:00:00Z", System.Globalization.CultureInfo.InvariantCulture))).ToList();
        var kept = new RetentionPolicy { Weekly = 3 }.Decide(all, TimeZoneInfo.Utc).Where(one => one.IsKept).Select(one => (one.Checkpoint.CreatedAt.Day, one.Reasons[0]));
        Assert.Equal([(27, "weekly 2026-W52"), (3, "weekly 2026-W53"), (4, "weekly 2027-W01")], kept);
    }

    [Fact]
    public void Periods_are_those_of_the_time_zone()
    {
        var all = new[] { At(Start.AddHours(9)), At(Start.AddHours(13)) };
        Assert.Single(Kept(new RetentionPolicy { Daily = 5 }, all, TimeZoneInfo.CreateCustomTimeZone("west", TimeSpan.FromHours(-9), null, null)));
        Assert.Equal(2, Kept(new RetentionPolicy { Daily = 5 }, all).Count);
    }

    [Fact]
    public void Each_set_of_guests_and_each_name_is_judged_by_itself()
    {
        var all = new List<CheckpointInfo>
        {
            At(Start, "nightly", "db", "web"), At(Start.AddDays(1), "nightly", "web", "db"), At(Start.AddDays(2), "nightly", "db"), At(Start, "before-upgrade", "db"),
            At(Start, null, "db"), At(Start.AddDays(1), null, "db"),
        };
        var gone = new RetentionPolicy { Last = 1 }.Decide(all, TimeZoneInfo.Utc).Where(one => !one.IsKept).Select(one => one.Checkpoint);
        Assert.Equal(new[] { all[0].Id, all[4].Id }.Order(), gone.Select(one => one.Id).Order());
    }

    [Fact]
    public void A_policy_without_a_rule_forgets_nothing_and_is_refused()
    {
        var error = Assert.Throws<SnapshotException>(() => new RetentionPolicy().Decide([At(Start)], TimeZoneInfo.Utc));
        Assert.Equal((ErrorCode.Usage, true), (error.Code, error.IsPreflight));
    }

    private static Dictionary<string, string> Kept(RetentionPolicy policy, IReadOnlyList<CheckpointInfo> all, TimeZoneInfo? zone = null) =>
        policy.Decide(all, zone ?? TimeZoneInfo.Utc).Where(one => one.IsKept).ToDictionary(
            one => one.Checkpoint.CreatedAt.ToString("dd'T'HH", System.Globalization.CultureInfo.InvariantCulture), one => string.Join(", ", one.Reasons));

    private static CheckpointInfo At(DateTimeOffset time, string? name = null, params string[] guests) => new(
        Ulid.Create(TimeProvider.System), name, time, default, new Dictionary<string, string>(),
        [.. (guests.Length == 0 ? ["g"] : guests).Select(guest => new GuestInfo(guest, default, 0, 0, 0, 0))]);
}
