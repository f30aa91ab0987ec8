namespace Cutpoint.Workers.Restore;

/// <summary>Where a restored guest comes from.</summary>
/// <param name="Checkpoint">The checkpoint's id.</param>
/// <param name="Guest">The guest's name in it.</param>
public sealed record RunOrigin(string Checkpoint, string Guest);
