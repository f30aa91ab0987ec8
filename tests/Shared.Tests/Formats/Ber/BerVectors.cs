namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>The golden files: what the format's first writer makes, what other writers may make, what no reader may take.</summary>
internal static class BerVectors
{
    public static byte[] Read(string name) =>
        File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "Formats", "Ber", "vectors", name + ".ber"));
}
