namespace Cutpoint.Jobs;

/// <summary>A guest whose failure was tolerated.</summary>
/// <param name="Name">Its name in the job.</param>
/// <param name="Uri">Its guest URI.</param>
/// <param name="Phase">Where the job stood when it failed.</param>
/// <param name="Error">Why it failed.</param>
public sealed record MissingGuest(string Name, string Uri, JobPhase Phase, JobError Error);
