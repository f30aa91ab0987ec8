namespace Cutpoint.Workers.Export;

/// <summary>What a file of guest state holds, for people and for programs.</summary>
/// <param name="Format">Short name of the format: "qemu", "ber".</param>
/// <param name="Title">What the format is, in a few words.</param>
/// <param name="Length">Octets of the file.</param>
public sealed record FileInspection(string Format, string Title, long Length)
{
    /// <summary>Facts of the file as a whole, by name, in the order to show them: machine, page size, capabilities.</summary>
    public IReadOnlyList<InspectedFact> Facts { get; init; } = [];

    /// <summary>Every RAM block, in the file's order.</summary>
    public IReadOnlyList<InspectedBlock> Blocks { get; init; } = [];

    /// <summary>Every other unit, in the file's order.</summary>
    public IReadOnlyList<InspectedUnit> Units { get; init; } = [];

    /// <summary>What one should know before trusting the file, one line each.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];
}
