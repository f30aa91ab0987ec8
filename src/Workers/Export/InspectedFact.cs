namespace Cutpoint.Workers.Export;

/// <summary>One fact of a file.</summary>
/// <param name="Name">What it is about.</param>
/// <param name="Value">What it says.</param>
public sealed record InspectedFact(string Name, string Value);
