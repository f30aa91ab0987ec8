using System.Text.Json.Nodes;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>One measured run.</summary>
/// <param name="Wall">From the start of the process until its output is durable.</param>
/// <param name="Octets">Octets written, or 0 where that says nothing.</param>
/// <param name="Said">What it said as JSON, for rows that print more.</param>
internal sealed record Trial(TimeSpan Wall, long Octets, JsonNode? Said = null);
