using System.Text.Json.Serialization;
using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>The JSON texts that packs hold. Members nobody knows are passed over, so that a newer version may add some.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(GuestDescription))]
[JsonSerializable(typeof(JobOwner))]
internal sealed partial class RepositoryJson : JsonSerializerContext;
