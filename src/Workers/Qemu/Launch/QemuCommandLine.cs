using System.Globalization;
using System.Text.Json;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>Makes the command line of a waiting QEMU from the recorded one of a guest. Pure: nothing is started or looked at.</summary>
public static class QemuCommandLine
{
    private const string CanonicalBlockName = "/objects/";

    /// <summary>Options that are about the old process, not the machine.</summary>
    private static readonly HashSet<string> Dropped =
        ["S", "daemonize", "pidfile", "incoming", "loadvm", "qmp", "qmp-pretty", "mem-path", "mem-prealloc", "preconfig"];

    /// <summary>Options whose whole argument names a character device.</summary>
    private static readonly HashSet<string> CharacterDevices = ["serial", "parallel", "monitor", "debugcon", "gdb"];

    /// <summary>Makes the plan.</summary>
    /// <param name="guest">The recorded guest.</param>
    /// <param name="ramFiles">
    /// Path of the file that holds a RAM block's contents, by the block's name; blocks not named come in the stream.
    /// </param>
    /// <param name="options">How to start it.</param>
    /// <exception cref="SnapshotException">The recorded command line cannot be used again.</exception>
    public static QemuLaunchPlan Plan(GuestDescription guest, IReadOnlyDictionary<string, string> ramFiles, QemuLaunchOptions options)
    {
        if (guest.CommandLine.Count == 0)
        {
            throw Refuse(guest, "has no recorded command line: QEMU's process could not be seen when it was captured",
                "start QEMU yourself with -incoming defer and give its monitor with --to");
        }
        var old = guest.Properties.GetValueOrDefault(QemuInspection.DirectoryProperty);
        var directory = Path.GetFullPath(options.Directory);
        var paths = new MovedPaths(directory, old, options.Paths, options.Peers);
        var socket = paths.Reserve("qmp");
        var log = paths.Reserve("qemu.log");
        var recorded = QemuOption.Parse(guest.CommandLine.Skip(1));
        RefuseDescriptors(guest, recorded);
        var disks = new MovedDisks(guest, directory, old);
        recorded = disks.Rewrite(recorded);

        var arguments = new List<string>();
        var backends = new HashSet<string>();
        foreach (var option in recorded)
        {
            if (option.Name is not null && Dropped.Contains(option.Name)) continue;
            var argument = option.Argument is null ? null : Rewrite(option, option.Argument, guest, ramFiles, options, paths, backends);
            arguments.AddRange((option with { Argument = argument }).ToArguments());
        }
        // An alias such as "pc" means another machine in another QEMU. Later -machine options add to earlier ones.
        if (guest.MachineType is { } type && !recorded.Exists(option => IsMachine(option, type))) arguments.AddRange(["-machine", type]);
        foreach (var block in guest.Blocks)
        {
            // RAM that was given by size alone: the machine takes a backend under the block's name instead of making its own.
            if (!ramFiles.TryGetValue(block.Name, out var file) || backends.Contains(block.Name)) continue;
            arguments.AddRange(["-object", Backend(block, block.Name, file, options.SharedMemory).ToString()]);
            arguments.AddRange(["-machine", $"memory-backend={block.Name}"]);
        }
        arguments.AddRange(["-qmp", $"unix:{Escape(socket)},server=on,wait=off", "-incoming", "defer"]);
        var program = options.Program ?? guest.Properties.GetValueOrDefault(QemuInspection.ExecutableProperty) ?? guest.CommandLine[0];
        return new QemuLaunchPlan(program, arguments, old, socket, log, paths.All) { Followed = paths.Followed, Disks = disks.All };
    }

    private static bool IsMachine(QemuOption option, string type)
    {
        if (option.Name is not ("machine" or "M") || option.Argument is null) return false;
        var properties = QemuProperties.Parse(option.Argument);
        return (properties.First ?? properties["type"]) == type;
    }

    private static string Rewrite(
        QemuOption option, string argument, GuestDescription guest, IReadOnlyDictionary<string, string> ramFiles,
        QemuLaunchOptions options, MovedPaths paths, HashSet<string> backends) => option.Name switch
        {
            "object" => RewriteObject(argument, guest, ramFiles, options, backends),
            "chardev" => RewriteChardev(argument, paths),
            "netdev" => RewriteNetwork(argument, paths),
            "D" => paths.Move(argument),
            "vnc" => RewriteLegacyDevice(argument, paths, listens: true),
            "spice" => RewriteSpice(argument, paths),
            { } name when CharacterDevices.Contains(name) => RewriteLegacyDevice(argument, paths, listens: false),
            _ => argument,
        };

    private static string RewriteObject(
        string argument, GuestDescription guest, IReadOnlyDictionary<string, string> ramFiles, QemuLaunchOptions options,
        HashSet<string> backends)
    {
        var properties = argument.StartsWith('{') ? FromJson(argument) : QemuProperties.Parse(argument);
        var type = properties["qom-type"] ?? properties.First;
        if (type is not ("memory-backend-file" or "memory-backend-memfd" or "memory-backend-ram" or "memory-backend-shm")) return argument;
        var id = properties["id"] ?? "";
        var block = guest.Blocks.FirstOrDefault(entry => entry.Name == id || entry.Name == CanonicalBlockName + id);
        if (block is null) return argument;
        backends.Add(block.Name);
        if (ramFiles.TryGetValue(block.Name, out var file)) return Backend(block, id, file, options.SharedMemory, properties).ToString();
        // The contents come in the stream. The recorded file must not be mapped: the original, if it lives, still has it.
        return type is "memory-backend-file" or "memory-backend-shm"
            ? Backend(block, id, null, shared: false, properties).ToString() : argument;
    }

    private static QemuProperties Backend(RamBlock block, string id, string? file, bool shared, QemuProperties? recorded = null)
    {
        var canonical = block.Name.StartsWith(CanonicalBlockName, StringComparison.Ordinal);
        var backend = QemuProperties.Parse(file is null ? "memory-backend-ram" : "memory-backend-file");
        backend["id"] = canonical ? block.Name[CanonicalBlockName.Length..] : id;
        backend["size"] = block.Length.ToString(CultureInfo.InvariantCulture);
        if (file is not null)
        {
            backend["mem-path"] = Path.GetFullPath(file);
            backend["share"] = shared ? "on" : "off";
        }
        // Machine types before 4.0 would otherwise call the block by the backend's path in the object tree.
        backend["x-use-canonical-path-for-ramblock-id"] = canonical ? "on" : "off";
        // Kept: what the guest or the host's policy may rest on. Not kept: huge pages, preallocation and alignment, which are of the old
        // file, and discard-data, which would empty the new one at the end.
        foreach (var name in (ReadOnlySpan<string>)["merge", "dump", "policy", "host-nodes"])
        {
            if (recorded?[name] is { } value) backend[name] = value;
        }
        return backend;
    }

    private static QemuProperties FromJson(string argument)
    {
        var properties = new QemuProperties();
        try
        {
            using var json = JsonDocument.Parse(argument);
            foreach (var member in json.RootElement.EnumerateObject())
            {
                properties[member.Name] = member.Value.ValueKind switch
                {
                    JsonValueKind.True => "on",
                    JsonValueKind.False => "off",
                    JsonValueKind.String => member.Value.GetString(),
                    _ => member.Value.GetRawText(),
                };
            }
        }
        catch (Exception malformed) when (malformed is JsonException or InvalidOperationException)
        {
            // QEMU says it better than we could.
            return properties;
        }
        return properties;
    }

    private static string RewriteChardev(string argument, MovedPaths paths)
    {
        var properties = QemuProperties.Parse(argument);
        var listens = properties.First == "socket" && properties.IsOn("server");
        if ((listens || properties.First == "file") && properties["path"] is { } path) properties["path"] = paths.Move(path);
        if (properties.First == "socket" && !listens && properties["path"] is { } server) properties["path"] = paths.Follow(server);
        if (properties["logfile"] is { } logfile) properties["logfile"] = paths.Move(logfile);
        if (listens) DoNotWait(properties);
        return properties.ToString();
    }

    /// <summary>Networks between guests: one listens and the other connects, or each has a socket of its own and sends to the other's.</summary>
    private static string RewriteNetwork(string argument, MovedPaths paths)
    {
        if (argument.StartsWith('{')) return argument;
        var properties = QemuProperties.Parse(argument);
        if (properties.First == "stream" && properties["addr.path"] is { } path)
            properties["addr.path"] = properties.IsOn("server") ? paths.Move(path) : paths.Follow(path);
        if (properties.First == "dgram" && properties["local.path"] is { } local) properties["local.path"] = paths.Move(local);
        if (properties.First == "dgram" && properties["remote.path"] is { } remote) properties["remote.path"] = paths.Follow(remote);
        return properties.ToString();
    }

    private static string RewriteLegacyDevice(string argument, MovedPaths paths, bool listens)
    {
        const string Multiplexed = "mon:";
        var mux = argument.StartsWith(Multiplexed, StringComparison.Ordinal);
        var properties = QemuProperties.Parse(mux ? argument[Multiplexed.Length..] : argument);
        if (properties.First is not { } device) return argument;
        var colon = device.IndexOf(':', StringComparison.Ordinal);
        if (colon < 0) return argument;
        var (kind, path) = (device[..colon], device[(colon + 1)..]);
        if (kind == "file" || (kind == "unix" && (listens || properties.IsOn("server")))) properties.First = $"{kind}:{paths.Move(path)}";
        else if (kind == "unix") properties.First = $"{kind}:{paths.Follow(path)}";
        if (properties.IsOn("server")) DoNotWait(properties);
        if (properties["logfile"] is { } logfile) properties["logfile"] = paths.Move(logfile);
        return (mux ? Multiplexed : "") + properties;
    }

    private static string RewriteSpice(string argument, MovedPaths paths)
    {
        var properties = QemuProperties.Parse(argument);
        if (properties.IsOn("unix") && properties["addr"] is { } address) properties["addr"] = paths.Move(address);
        return properties.ToString();
    }

    /// <summary>A server that waits for its client would hold QEMU before it opens its monitor.</summary>
    private static void DoNotWait(QemuProperties properties)
    {
        properties.RemoveSwitch("wait");
        properties["wait"] = "off";
    }

    private static void RefuseDescriptors(GuestDescription guest, List<QemuOption> recorded)
    {
        foreach (var option in recorded)
        {
            if (option.Argument is not { } argument) continue;
            if (option.Name == "add-fd" || argument.Contains("/dev/fdset/", StringComparison.Ordinal)
                || NamesDescriptor(option.Name, argument))
            {
                throw Refuse(guest,
                    $"was started with descriptors passed by its launcher (-{option.Name} {argument}), which cannot be had again",
                    "start QEMU as its launcher does, with -incoming defer, and give its monitor with --to");
            }
        }
    }

    private static bool NamesDescriptor(string? option, string argument)
    {
        if (option is not ("netdev" or "chardev" or "net" or "nic" or "object")) return false;
        var properties = argument.StartsWith('{') ? FromJson(argument) : QemuProperties.Parse(argument);
        return (properties["fd"] ?? properties["fds"] ?? properties["vhostfd"] ?? properties["vhostfds"]) is not null;
    }

    private static string Escape(string value) => value.Replace(",", ",,", StringComparison.Ordinal);

    private static SnapshotException Refuse(GuestDescription guest, string what, string advice) =>
        new(ErrorCode.Incompatible, $"guest {guest.Name} {what}", advice) { IsPreflight = true };
}
