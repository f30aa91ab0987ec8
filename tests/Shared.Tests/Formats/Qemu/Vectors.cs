using System.IO.Compression;
using System.Text.Json;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>The golden streams; what each holds is in vectors/README.md.</summary>
internal static class Vectors
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Formats", "Qemu", "vectors");

    private static readonly IReadOnlyDictionary<string, string> Digests =
        JsonSerializer.Deserialize<Dictionary<string, string>>(Text("ram0-sha256.json"))!;

    public static IEnumerable<string> Names { get; } =
        [.. Directory.GetFiles(Folder, "*.qmig.gz").Select(f => Path.GetFileName(f)[..^".qmig.gz".Length]).Order(StringComparer.Ordinal)];

    public static string? RamDigest(string name) => Digests.GetValueOrDefault(name);

    public static string Text(string file) => File.ReadAllText(Path.Combine(Folder, file));

    public static byte[] Stream(string name) => Unpack(name + ".qmig.gz");

    public static byte[] Unpack(string file)
    {
        using var packed = new GZipStream(File.OpenRead(Path.Combine(Folder, file)), CompressionMode.Decompress);
        var octets = new MemoryStream();
        packed.CopyTo(octets);
        return octets.ToArray();
    }

    public static async Task<(CollectedMemory Memory, QemuDevicePart Part)> ParseAsync(byte[] stream, QemuStreamOptions? options = null)
    {
        var memory = new CollectedMemory();
        using var input = new MemoryStream(stream);
        return (memory, await QemuStreamParser.ParseAsync(input, memory, options));
    }

    public static Task<(CollectedMemory Memory, QemuDevicePart Part)> ParseAsync(string name) => ParseAsync(Stream(name));
}
