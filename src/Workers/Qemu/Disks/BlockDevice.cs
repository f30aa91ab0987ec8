using System.Text.Json;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>A disk of a guest with an image in it, by QEMU's <c>query-block</c>.</summary>
internal sealed record BlockDevice
{
    /// <summary>The disk's own name: that of -drive, or the path of its device for one that was added with -blockdev.</summary>
    public required string Name { get; init; }

    /// <summary>The node the disk reads and writes.</summary>
    public required string Node { get; init; }

    /// <summary>That node's driver, such as "qcow2" or "raw".</summary>
    public required string Format { get; init; }

    /// <summary>The disk's size as the guest sees it.</summary>
    public required long Octets { get; init; }

    /// <summary>True when the guest cannot write to it.</summary>
    public required bool IsReadOnly { get; init; }

    /// <summary>What QEMU calls the image, for people.</summary>
    public required string Text { get; init; }

    /// <summary>
    /// The image and the files it stands on, absolute, from the top. One that is not a plain file, or is opened with options its path does not tell, is null.
    /// </summary>
    public required IReadOnlyList<string?> Files { get; init; }

    /// <summary>True when the image is opened past the host's cache.</summary>
    public bool IsDirect { get; init; }

    /// <summary>True when flushes of the guest are not passed on.</summary>
    public bool IgnoresFlush { get; init; }

    /// <summary>What the disk does with written zeros: "off", "on" or "unmap".</summary>
    public string DetectZeroes { get; init; } = "off";

    /// <summary>Reads the answer to <c>query-block</c>.</summary>
    /// <param name="answer">The answer.</param>
    /// <param name="directory">QEMU's working directory, where relative paths start; null when it is not known.</param>
    public static IReadOnlyList<BlockDevice> Parse(JsonElement answer, string? directory)
    {
        var devices = new List<BlockDevice>();
        foreach (var entry in answer.EnumerateArray())
        {
            if (!entry.TryGetProperty("inserted", out var inserted) || inserted.Text("node-name") is not { } node) continue;
            var cache = inserted.TryGetProperty("cache", out var found) ? found : default;
            inserted.TryGetProperty("image", out var image);
            devices.Add(new BlockDevice
            {
                Name = entry.Text("device") is { Length: > 0 } name ? name : entry.Text("qdev") ?? node,
                Node = node,
                Format = inserted.Text("drv") ?? "",
                Octets = image.Number("virtual-size") ?? 0,
                IsReadOnly = inserted.TryGetProperty("ro", out var ro) && ro.ValueKind == JsonValueKind.True,
                Text = inserted.Text("file") ?? node,
                Files = Chain(image, directory),
                IsDirect = IsTrue(cache, "direct"),
                IgnoresFlush = IsTrue(cache, "no-flush"),
                DetectZeroes = inserted.Text("detect_zeroes") ?? "off",
            });
        }
        return devices;
    }

    private static List<string?> Chain(JsonElement image, string? directory)
    {
        var files = new List<string?>();
        for (var at = image; at.ValueKind == JsonValueKind.Object; at = at.TryGetProperty("backing-image", out var below) ? below : default)
            files.Add(FileOf(at.Text("filename"), directory));
        return files;
    }

    /// <summary>
    /// The path behind an image's name. QEMU names an image whose backing file is not the one in its header, as it is above every snapshot, by "json:" and
    /// all of its options.
    /// </summary>
    internal static string? FileOf(string? name, string? directory)
    {
        const string Json = "json:";
        if (name is null) return null;
        if (!name.StartsWith(Json, StringComparison.Ordinal)) return Absolute(name, directory);
        try
        {
            using var options = JsonDocument.Parse(name[Json.Length..]);
            var root = options.RootElement;
            if (root.EnumerateObject().Any(member => member.Name is not ("driver" or "file" or "backing")) || !root.TryGetProperty("file", out var file)) return null;
            return file.Text("driver") == "file" && file.EnumerateObject().Count() == 2 ? Absolute(file.Text("filename"), directory) : null;
        }
        catch (Exception odd) when (odd is JsonException or InvalidOperationException)
        {
            // A name of a kind not known here, so not that of a plain file.
            return null;
        }
    }

    private static string? Absolute(string? name, string? directory)
    {
        if (string.IsNullOrEmpty(name)) return null;
        if (name[0] == '/') return Path.GetFullPath(name);
        // "nbd://host/disk" and the like; a plain name with a colon would need "file:" in front for QEMU itself.
        return name.Contains(':', StringComparison.Ordinal) || directory is null ? null : Path.GetFullPath(name, directory);
    }

    private static bool IsTrue(JsonElement element, string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.True;
}
