namespace Cutpoint.Fuzz;

/// <summary>The outcome of a run.</summary>
/// <param name="Read">Cases that were read as sound.</param>
/// <param name="Refused">Cases that were refused with a proper error.</param>
/// <param name="MostAllocated">The most octets one case allocated.</param>
/// <param name="Longest">The longest time one case took.</param>
/// <param name="Failure">The first case that failed, or null.</param>
public sealed record FuzzReport(long Read, long Refused, long MostAllocated, TimeSpan Longest, FuzzFailure? Failure);
