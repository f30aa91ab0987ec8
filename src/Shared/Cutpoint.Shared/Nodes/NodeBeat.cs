namespace Cutpoint.Nodes;

/// <summary>A sign of life of a coordinator, and the worker's answer to it.</summary>
/// <param name="Number">Means something to the coordinator only; comes back as it was.</param>
/// <param name="At">By the clock of who says it.</param>
public sealed record NodeBeat(long Number, DateTimeOffset At);
