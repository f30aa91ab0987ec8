using System.IO.Compression;

namespace Cutpoint.Fuzz;

/// <summary>The golden files of the tests.</summary>
internal static class GoldenFiles
{
    /// <summary>The files of a format whose names fit a pattern, unpacked if they are packed.</summary>
    public static IEnumerable<byte[]> Of(string format, string pattern) =>
        Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Formats", format, "vectors"), pattern, SearchOption.AllDirectories)
            .Order(StringComparer.Ordinal).Select(Read);

    private static byte[] Read(string path)
    {
        if (!path.EndsWith(".gz", StringComparison.Ordinal)) return File.ReadAllBytes(path);
        using var packed = new GZipStream(File.OpenRead(path), CompressionMode.Decompress);
        var octets = new MemoryStream();
        packed.CopyTo(octets);
        return octets.ToArray();
    }
}
