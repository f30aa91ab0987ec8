using System.Text.Json.Serialization;

namespace Cutpoint.Jobs;

/// <summary>JSON of the messages and records of a job: a closed set of types, made at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(JobPlan))]
[JsonSerializable(typeof(PassReport))]
[JsonSerializable(typeof(CutReport))]
[JsonSerializable(typeof(GuestRecord))]
[JsonSerializable(typeof(JobRecord))]
[JsonSerializable(typeof(JobProgress))]
[JsonSerializable(typeof(WorkerCommand))]
[JsonSerializable(typeof(WorkerReport))]
public sealed partial class JobJson : JsonSerializerContext;
