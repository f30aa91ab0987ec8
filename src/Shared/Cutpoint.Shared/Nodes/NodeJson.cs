using System.Text.Json.Serialization;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Nodes;

/// <summary>JSON of what nodes say to each other: a closed set of types, made at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(NodeGreeting))]
[JsonSerializable(typeof(NodeBeat))]
[JsonSerializable(typeof(CheckpointIds))]
[JsonSerializable(typeof(JobError))]
[JsonSerializable(typeof(GuestDescription))]
[JsonSerializable(typeof(StoreTerms))]
[JsonSerializable(typeof(KnownPages))]
[JsonSerializable(typeof(StoredDevice))]
[JsonSerializable(typeof(SealedGuest))]
public sealed partial class NodeJson : JsonSerializerContext;
