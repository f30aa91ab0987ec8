namespace Cutpoint.Workers.Export;

/// <summary>A finished export.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Guest">The guest.</param>
/// <param name="Octets">Octets of the output; of a sparse file the holes too.</param>
public sealed record ExportResult(string Format, string Guest, long Octets)
{
    /// <summary>What one should know of the output, one line each.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}
