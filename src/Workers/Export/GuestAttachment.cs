using System.Text.Json;
using System.Text.Json.Serialization;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>The guest's description as a section of a BER snapshot: what the guest was started with, so that it can be launched again from the file alone.</summary>
internal static class GuestAttachment
{
    public const string Name = BerGuest.NamePrefix + "guest";

    public static byte[] Write(GuestDescription guest) => JsonSerializer.SerializeToUtf8Bytes(guest, GuestAttachmentJson.Default.GuestDescription);

    /// <exception cref="MalformedInputException">It is none.</exception>
    public static GuestDescription Read(ReadOnlyMemory<byte> octets)
    {
        try
        {
            return JsonSerializer.Deserialize(octets.Span, GuestAttachmentJson.Default.GuestDescription) ?? throw new JsonException("it is empty");
        }
        catch (JsonException error)
        {
            throw new MalformedInputException("BER", 0, $"section '{Name}' is not the description of a guest: {error.Message}", inner: error);
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(GuestDescription))]
internal sealed partial class GuestAttachmentJson : JsonSerializerContext;
