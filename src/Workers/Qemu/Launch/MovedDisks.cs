using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// Gives every frozen disk an overlay of its own in place of the image on the recorded command line, so that the guest, its original and its clones share the
/// image and never each other's writes. The image itself is only read.
/// </summary>
internal sealed class MovedDisks
{
    /// <summary>Options that name one image, and what they are in the long form.</summary>
    private static readonly Dictionary<string, string> ShortForms = new()
    {
        ["hda"] = "index=0,media=disk", ["hdb"] = "index=1,media=disk", ["hdc"] = "index=2,media=disk", ["hdd"] = "index=3,media=disk",
        ["fda"] = "if=floppy,index=0", ["fdb"] = "if=floppy,index=1", ["sd"] = "if=sd", ["mtdblock"] = "if=mtd", ["pflash"] = "if=pflash",
    };

    private readonly GuestDescription _guest;
    private readonly string? _oldDirectory;
    private readonly List<(DiskSnapshot Disk, string Overlay)> _disks;
    private readonly Dictionary<string, string> _overlays = [];
    private readonly HashSet<string> _files = [];

    /// <param name="guest">The recorded guest.</param>
    /// <param name="directory">Where the overlays go.</param>
    /// <param name="oldDirectory">Where relative paths of the recorded command line start, if known.</param>
    public MovedDisks(GuestDescription guest, string directory, string? oldDirectory)
    {
        _guest = guest;
        _oldDirectory = oldDirectory;
        _disks =
        [
            .. guest.DiskSnapshots.Select((disk, number) => (disk, Path.Combine(directory, string.Create(CultureInfo.InvariantCulture, $"disk{number}.qcow2")))),
        ];
    }

    /// <summary>Every frozen disk and its overlay.</summary>
    public IReadOnlyList<(DiskSnapshot Disk, string Overlay)> All => _disks;

    /// <summary>Makes the overlay of a disk, once it is sure that the image is what it was.</summary>
    /// <exception cref="SnapshotException">It is not, or the overlay cannot be written.</exception>
    public static void MakeOverlay(DiskSnapshot disk, string overlay, OverlayLedger ledger)
    {
        CheckImage(disk, ledger);
        try
        {
            File.Delete(overlay);
            using var file = new FileStream(overlay, new FileStreamOptions
            {
                Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
            Qcow2Overlay.Write(file, disk.Octets, disk.Image, disk.Format);
        }
        catch (ArgumentException odd)
        {
            // A description somebody else has written may say anything of a disk.
            throw new SnapshotException(ErrorCode.Incompatible, $"no overlay can be made for disk {disk.Device}: {odd.Message}", "make one yourself, and restore with --to", odd)
            {
                IsPreflight = true,
            };
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, overlay, "write");
        }
    }

    /// <summary>Whether a disk's image is what it was at the cut.</summary>
    /// <exception cref="SnapshotException">It is not.</exception>
    public static void CheckImage(DiskSnapshot disk, OverlayLedger ledger)
    {
        if (!File.Exists(disk.Image))
        {
            var isElsewhere = disk.Host is { } host && host != Environment.MachineName;
            throw new SnapshotException(
                ErrorCode.Incompatible,
                $"{disk.Image}, the image of disk {disk.Device} at the cut, is not there{(isElsewhere ? $": it lies on host {disk.Host}, and this is {Environment.MachineName}" : "")}",
                isElsewhere ? "restore the checkpoint on that host; images are not in the repository" : "bring it back to its place; it is not in the repository")
            {
                IsPreflight = true,
            };
        }
        if (disk.WrittenAt is { } written && File.GetLastWriteTimeUtc(disk.Image) != written.UtcDateTime && !ledger.VouchesFor(disk.Image, written))
        {
            throw new SnapshotException(
                ErrorCode.VerificationFailed, $"{disk.Image}, the image of disk {disk.Device} at the cut, was written to since: it does not fit the guest's memory any more",
                "bring back the image as it was, with its time; start nothing with it that writes") { IsPreflight = true };
        }
    }

    /// <summary>Puts the overlays in place of the images.</summary>
    /// <exception cref="SnapshotException">A disk is not on the command line in a form that is understood.</exception>
    public List<QemuOption> Rewrite(List<QemuOption> recorded)
    {
        if (_disks.Count == 0) return recorded;
        var named = recorded.Select(option => FileOf(option) is { } file ? Full(file) : null).OfType<string>().ToHashSet();
        foreach (var (disk, overlay) in _disks)
        {
            // Checkpoints taken since the start stand on the image the command line names; of several, the topmost is the disk's.
            var image = disk.Chain.FirstOrDefault(named.Contains) ?? throw Refuse(disk);
            if (!_overlays.TryAdd(image, overlay)) throw Refuse(disk);
        }
        return [.. recorded.Select(Rewrite)];
    }

    private QemuOption Rewrite(QemuOption option)
    {
        if (option.Argument is not { } argument) return option;
        if (option.Name is "drive") return option with { Argument = Drive(argument) };
        if (option.Name is "blockdev") return option with { Argument = argument.StartsWith('{') ? BlockJson(argument) : Block(argument) };
        if (FileOf(option) is not { } file || OverlayOf(file) is not { } overlay) return option;
        var drive = QemuProperties.Parse(ShortForms[option.Name ?? "hda"]);
        drive["file"] = overlay;
        drive["format"] = "qcow2";
        return new QemuOption("drive", drive.ToString());
    }

    private string Drive(string argument)
    {
        var properties = QemuProperties.Parse(argument);
        var name = properties["file"] is null ? "file.filename" : "file";
        if (properties[name] is not { } file || OverlayOf(file) is not { } overlay) return argument;
        properties[name] = overlay;
        properties["driver"] = null;
        properties["format"] = "qcow2";
        return properties.ToString();
    }

    private string Block(string argument)
    {
        var properties = QemuProperties.Parse(argument);
        if (properties["filename"] is { } file && OverlayOf(file) is { } ofFile)
        {
            properties["filename"] = ofFile;
            if (properties["node-name"] is { } node) _files.Add(node);
            return properties.ToString();
        }
        var inner = properties["file.filename"] is { } nested ? OverlayOf(nested) : null;
        if (inner is null && !(properties["file"] is { } below && _files.Contains(below))) return argument;
        if (inner is not null) properties["file.filename"] = inner;
        properties["driver"] = "qcow2";
        properties["backing"] = null;
        return properties.ToString();
    }

    private string BlockJson(string argument)
    {
        if (Json(argument) is not { } options) return argument;
        if (Text(options["filename"]) is { } file && OverlayOf(file) is { } ofFile)
        {
            options["filename"] = ofFile;
            if (Text(options["node-name"]) is { } node) _files.Add(node);
            return options.ToJsonString();
        }
        var inner = options["file"] as JsonObject;
        var overlay = Text(inner?["filename"]) is { } nested ? OverlayOf(nested) : null;
        if (overlay is null && !(Text(options["file"]) is { } below && _files.Contains(below))) return argument;
        if (overlay is not null) inner!["filename"] = overlay;
        options["driver"] = "qcow2";
        options.Remove("backing");
        return options.ToJsonString();
    }

    /// <summary>The image an option names, or null.</summary>
    private static string? FileOf(QemuOption option)
    {
        if (option.Argument is not { } argument) return null;
        if (option.Name is null || ShortForms.ContainsKey(option.Name)) return argument;
        if (option.Name is not ("drive" or "blockdev")) return null;
        if (argument.StartsWith('{'))
            return Json(argument) is { } options ? Text(options["filename"]) ?? Text((options["file"] as JsonObject)?["filename"]) : null;
        var properties = QemuProperties.Parse(argument);
        return (option.Name == "drive" ? properties["file"] : properties["filename"]) ?? properties["file.filename"];
    }

    private static JsonObject? Json(string argument)
    {
        try
        {
            return JsonNode.Parse(argument) as JsonObject;
        }
        catch (JsonException)
        {
            // QEMU says it better than we could.
            return null;
        }
    }

    private static string? Text(JsonNode? node) => node is JsonValue value && value.TryGetValue<string>(out var text) ? text : null;

    private string? OverlayOf(string file) => _overlays.GetValueOrDefault(Full(file));

    private string Full(string file) => _oldDirectory is null ? file : Path.GetFullPath(file, _oldDirectory);

    private SnapshotException Refuse(DiskSnapshot disk) => new(
        ErrorCode.Incompatible, $"guest {_guest.Name}: the recorded command line does not say where disk {disk.Device} ({disk.Image}) is attached: it was plugged in later",
        $"make an overlay on that image ('qemu-img create -f qcow2 -b {disk.Image} -F {disk.Format} FILE'), start QEMU with it and -incoming defer, and give its monitor with --to")
    {
        IsPreflight = true,
    };
}
