using System.Text.Json.Serialization;

namespace Cutpoint.Coordinator.Jobs;

/// <summary>JSON of the events of a job: a closed set of types, made at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(JobEvent))]
public sealed partial class JobEventJson : JsonSerializerContext;
