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
            var guest = JsonSerializer.Deserialize(octets.Span, GuestAttachmentJson.Default.GuestDescription);
            return guest is null || guest.HasNulls() ? throw new JsonException("something of it is missing") : guest;
        }
        catch (JsonException error)
        {
            throw new MalformedInputException(
                "BER", 0, $"section '{Name}' is not the description of a guest: {error.Message}",
                "the file is damaged or was changed: fetch it again from its source or make the export again", error);
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(GuestDescription))]
internal sealed partial class GuestAttachmentJson : JsonSerializerContext;
