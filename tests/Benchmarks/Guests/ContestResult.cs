using System.Globalization;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>How a contest ended.</summary>
/// <param name="Contest">The contest.</param>
/// <param name="Ours">Our runs, in order.</param>
/// <param name="Theirs">Their runs, in order.</param>
internal sealed record ContestResult(Contest Contest, IReadOnlyList<Trial> Ours, IReadOnlyList<Trial> Theirs)
{
    /// <summary>Our median time over theirs.</summary>
    public double Wall => Median(Ours, t => t.Wall.TotalSeconds) / Median(Theirs, t => t.Wall.TotalSeconds);

    /// <summary>Our median size over theirs.</summary>
    public double Size => Median(Ours, t => t.Octets) / Median(Theirs, t => t.Octets);

    /// <summary>True when every limit holds.</summary>
    public bool IsReached => (Contest.MostWall is not { } wall || Wall <= wall) && (Contest.MostSize is not { } size || Size <= size);

    /// <summary>The value in the middle.</summary>
    public static double Median(IEnumerable<Trial> trials, Func<Trial, double> value) => trials.Select(value).Order().ElementAt(trials.Count() / 2);

    /// <summary>Prints both sides, every run, and the ratios.</summary>
    public void Write(string name, TextWriter output)
    {
        output.WriteLine($"{name}: {(IsReached ? Contest.MostWall is null ? "measured" : "reached" : "MISSED")}");
        WriteSide(output, Contest.Ours, Ours);
        WriteSide(output, Contest.Theirs, Theirs);
        var size = Contest.MostSize is { } most ? string.Create(CultureInfo.InvariantCulture, $", {Size:F2} x size (at most {most:F2})") : "";
        var limit = Contest.MostWall is { } wall ? string.Create(CultureInfo.InvariantCulture, $" (at most {wall:F2})") : "";
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  ratio of the medians: {Wall:F2} x wall{limit}{size}"));
    }

    private void WriteSide(TextWriter output, Contestant side, IReadOnlyList<Trial> trials)
    {
        var runs = string.Join(' ', trials.Select(t => t.Wall.TotalSeconds.ToString("F2", CultureInfo.InvariantCulture)));
        var size = Contest.MostSize is null ? "" : $"  {Median(trials, t => t.Octets) / (1 << 20):F0} MiB";
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"  {side.Words,-44} {Median(trials, t => t.Wall.TotalSeconds):F2} s{size}  ({runs})"));
    }
}
