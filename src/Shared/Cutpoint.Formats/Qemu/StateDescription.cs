namespace Cutpoint.Formats.Qemu;

/// <summary>The layout of one state structure: its fields in order, then its subsections.</summary>
/// <param name="Name">QEMU's name of the structure; empty for state without one (old-style devices).</param>
/// <param name="Version">Version of the structure.</param>
/// <param name="Fields">The fields, back to back on the wire.</param>
/// <param name="Subsections">Parts that follow the fields, each with its own header on the wire.</param>
public sealed record StateDescription(
    string Name, int Version, IReadOnlyList<FieldDescription> Fields, IReadOnlyList<StateDescription> Subsections);
