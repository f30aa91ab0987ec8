namespace Cutpoint.Jobs;

/// <summary>One guest of a job.</summary>
/// <param name="Name">The guest's name, unique within the job.</param>
/// <param name="Uri">Its guest URI, as written by the user.</param>
/// <param name="Node">Address of the node that serves it; null for the process that runs the job.</param>
public sealed record GuestPlan(string Name, string Uri, string? Node = null);
