namespace Cutpoint.Benchmarks.Guests;

/// <summary>
/// Two commands that do the same job, run in turn: each pair meets the same state of the machine, so that their ratio says more than either time. One pair
/// before the others warms caches up and does not count.
/// </summary>
/// <param name="Ours">This project's command.</param>
/// <param name="Theirs">What is used today.</param>
/// <param name="MostWall">The most our time may be of theirs; null where it is only told.</param>
/// <param name="MostSize">The most our output may be of theirs; null where that says nothing.</param>
/// <param name="Pairs">How many pairs count: fewer where each takes long.</param>
internal sealed record Contest(Contestant Ours, Contestant Theirs, double? MostWall, double? MostSize = null, int Pairs = 7)
{
    /// <summary>Runs the pairs.</summary>
    public async Task<ContestResult> RunAsync(CancellationToken cancellation)
    {
        var (ours, theirs) = (new List<Trial>(), new List<Trial>());
        for (var pair = 0; pair <= Pairs; pair++)
        {
            var (our, their) = (await Ours.RunAsync(cancellation), await Theirs.RunAsync(cancellation));
            if (pair == 0) continue;
            ours.Add(our);
            theirs.Add(their);
        }
        return new ContestResult(this, ours, theirs);
    }
}
