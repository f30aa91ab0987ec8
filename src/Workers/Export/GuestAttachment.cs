using System.Text.Json;
using System.Text.Json.Serialization;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>The guest's description as a part of a BER snapshot or a saved state: what the guest was started with, so that it can be launched again from the file alone.</summary>
internal static class GuestAttachment
{
    public const string Name = BerGuest.NamePrefix + "guest";

    public static byte[] Write(GuestDescription guest) => JsonSerializer.SerializeToUtf8Bytes(guest, GuestAttachmentJson.Default.GuestDescription);

    /// <exception cref="MalformedInputException">It is none.</exception>
    /// <param name="octets">The JSON.</param>
    /// <param name="format">Short name of the format it stands in, for the error.</param>
    /// <param name="offset">Where in the file it stands.</param>
    public static GuestDescription Read(ReadOnlyMemory<byte> octets, string format = "BER", long offset = 0)
    {
        try
        {
            var guest = JsonSerializer.Deserialize(octets.Span, GuestAttachmentJson.Default.GuestDescription);
            return guest is null || guest.HasNulls() ? throw new JsonException("something of it is missing") : guest;
        }
        catch (JsonException error)
        {
            throw new MalformedInputException(
                format, offset, $"'{Name}' is not the description of a guest: {error.Message}",
                "the file is damaged or was changed: fetch it again from its source or make the export again", error);
        }
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(GuestDescription))]
internal sealed partial class GuestAttachmentJson : JsonSerializerContext;
