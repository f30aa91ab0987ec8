namespace Cutpoint.Workers.Capture;

/// <summary>One rung of the capture's ladder.</summary>
/// <param name="Name">What is done to each octet, on top of the rung below.</param>
/// <param name="BytesPerSecond">Octets of guest pages per second, all processors together; the best of the rounds.</param>
/// <param name="Share">Of the rung below; 1 for the first.</param>
public sealed record BenchRung(string Name, double BytesPerSecond, double Share);
