using System.Text.Json;

namespace Cutpoint.Shared.Tests.Formats.Ssm;

/// <summary>Files that VirtualBox's own code wrote or judged.</summary>
internal static class SavedStateVectors
{
    private static readonly Lazy<JsonDocument> Parsed = new(() => JsonDocument.Parse(Read("contents.json")));

    public static JsonElement Contents(string file) => Parsed.Value.RootElement.GetProperty(file).GetProperty("parsed");

    public static byte[] Read(string name) => File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Formats", "Ssm", "vectors", name));

    /// <summary>The pseudo-random octets the vectors are made of: xorshift of 32 bits, the upper eight of each.</summary>
    public static byte[] Noise(uint seed, int count)
    {
        var octets = new byte[count];
        for (var i = 0; i < count; i++)
        {
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            octets[i] = (byte)(seed >> 24);
        }
        return octets;
    }
}
