namespace Cutpoint.Workers.Export;

/// <summary>One RAM block of a file.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Length">Octets.</param>
/// <param name="DataPages">Pages whose last contents in the file are not zero.</param>
/// <param name="ZeroPages">Pages the file says are zero.</param>
/// <param name="AbsentPages">Pages the file says nothing of.</param>
/// <param name="RepeatedPages">How often the file sends a page again that it has sent before: a live stream does.</param>
public sealed record InspectedBlock(string Name, long Length, long DataPages, long ZeroPages, long AbsentPages, long RepeatedPages);
