namespace Cutpoint.Workers.Restore;

/// <summary>How far a restore is.</summary>
/// <param name="Guest">The guest.</param>
/// <param name="Step">What it is at.</param>
/// <param name="Done">Octets of its memory done.</param>
/// <param name="Total">Octets of its memory to do; 0 when they lie ready.</param>
public readonly record struct RestoreProgress(string Guest, RestoreStep Step, long Done, long Total);
