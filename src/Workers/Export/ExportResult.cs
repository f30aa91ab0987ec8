namespace Cutpoint.Workers.Export;

/// <summary>A finished export.</summary>
/// <param name="Format">Name of the format.</param>
/// <param name="Guest">The guest.</param>
/// <param name="Octets">Octets of the output; of a sparse file the holes too.</param>
public sealed record ExportResult(string Format, string Guest, long Octets);
