using Cutpoint.Repository;

namespace Cutpoint.Workers.Export;

/// <summary>A finished import.</summary>
/// <param name="Checkpoint">The checkpoint that was made.</param>
/// <param name="Format">Name of the file's format.</param>
/// <param name="Notes">What one should know of the file, one line each.</param>
public sealed record ImportResult(CheckpointInfo Checkpoint, string Format, IReadOnlyList<string> Notes);
