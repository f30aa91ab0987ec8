using System.Buffers;
using System.Text.Json;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Ber;

/// <summary>The contents of the section <see cref="BerGuest.ConfigurationName"/>: what the format itself has no place for.</summary>
/// <param name="Configuration">Configuration of the machine.</param>
/// <param name="Addresses">The address of every RAM block, or null where it has none.</param>
internal sealed record BerGuestConfiguration(QemuConfiguration Configuration, IReadOnlyList<ulong?> Addresses)
{
    public const int MaxLength = 1 << 20;

    private const int UuidLength = 16;

    public static byte[] Write(QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks)
    {
        var octets = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(octets))
        {
            json.WriteStartObject();
            json.WriteString("machine", configuration.MachineName);
            if (configuration.TargetPageBits is { } bits) json.WriteNumber("target_page_bits", bits);
            json.WriteStartArray("capabilities");
            foreach (var capability in configuration.Capabilities) json.WriteStringValue(capability);
            json.WriteEndArray();
            if (!configuration.Uuid.IsEmpty) json.WriteString("uuid", Convert.ToHexStringLower(configuration.Uuid.Span));
            if (blocks.Any(block => block.Address is not null))
            {
                json.WriteStartArray("block_addresses");
                foreach (var block in blocks)
                {
                    if (block.Address is { } address) json.WriteNumberValue(address);
                    else json.WriteNullValue();
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
        }

        return octets.WrittenSpan.ToArray();
    }

    public static BerGuestConfiguration Read(ReadOnlyMemory<byte> octets, long offset)
    {
        try
        {
            using var document = JsonDocument.Parse(octets);
            var root = document.RootElement;
            var uuid = root.TryGetProperty("uuid", out var text) ? Convert.FromHexString(text.GetString() ?? "") : [];
            int? bits = root.TryGetProperty("target_page_bits", out var number) ? number.GetInt32() : null;
            if (uuid.Length is not (0 or UuidLength) || bits is < 9 or > 16) throw new FormatException("a value is out of range");
            var configuration = new QemuConfiguration(Text(root.GetProperty("machine")))
            {
                TargetPageBits = bits,
                Capabilities = [.. root.GetProperty("capabilities").EnumerateArray().Select(Text)],
                Uuid = uuid,
            };
            ulong?[] addresses = root.TryGetProperty("block_addresses", out var list)
                ? [.. list.EnumerateArray().Select(item => item.ValueKind == JsonValueKind.Null ? (ulong?)null : item.GetUInt64())]
                : [];
            return new BerGuestConfiguration(configuration, addresses);
        }
        catch (Exception error) when (error is JsonException or FormatException or KeyNotFoundException or InvalidOperationException)
        {
            throw BerError.Create(offset, $"section '{BerGuest.ConfigurationName}' is not a configuration: {error.Message}");
        }
    }

    private static string Text(JsonElement element) => element.GetString() ?? throw new FormatException("a text is missing");
}
