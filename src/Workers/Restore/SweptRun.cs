namespace Cutpoint.Workers.Restore;

/// <summary>A run directory nobody used any more.</summary>
/// <param name="Path">Where it was.</param>
/// <param name="Octets">Octets it took on disk.</param>
public sealed record SweptRun(string Path, long Octets);
