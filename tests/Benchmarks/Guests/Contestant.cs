namespace Cutpoint.Benchmarks.Guests;

/// <summary>One side of a comparison.</summary>
/// <param name="Words">The command, as a user would write it.</param>
/// <param name="RunAsync">Runs it once and cleans up behind it; only what it reports as wall is measured.</param>
internal sealed record Contestant(string Words, Func<CancellationToken, Task<Trial>> RunAsync);
