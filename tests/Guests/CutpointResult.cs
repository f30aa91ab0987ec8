namespace Cutpoint.TestGuests;

/// <summary>How a call of the executable ended.</summary>
/// <param name="ExitCode">Its exit code.</param>
/// <param name="Output">All of its standard output.</param>
/// <param name="Error">All of its standard error.</param>
public sealed record CutpointResult(int ExitCode, string Output, string Error);
