using System.Globalization;
using System.Text.Json;
using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>Looks at a guest through its monitor and /proc, and changes nothing.</summary>
public static class QemuPreflight
{
    /// <summary>Looks at a guest.</summary>
    /// <param name="monitor">Its monitor.</param>
    /// <param name="uri">How the user named it.</param>
    /// <param name="cancellation">Ends the look.</param>
    /// <exception cref="SnapshotException">QEMU does not answer, or not in a way that is understood.</exception>
    public static async Task<QemuInspection> InspectAsync(QmpClient monitor, GuestUri uri, CancellationToken cancellation)
    {
        var status = monitor.QueryStatusAsync(QmpClient.CommandDeadline, cancellation);
        var migration = monitor.QueryMigrationAsync(QmpClient.CommandDeadline, cancellation);
        var capabilities = monitor.QueryCapabilitiesAsync(QmpClient.CommandDeadline, cancellation);
        var name = monitor.ExecuteAsync("query-name", cancellation);
        var uuid = monitor.ExecuteAsync("query-uuid", cancellation);
        var disks = monitor.ExecuteAsync("query-block", cancellation);
        var backends = monitor.ExecuteAsync("query-memdev", cancellation);
        var tree = ReadMemoryTreeAsync(monitor, cancellation);
        var table = QemuIdentity.ReadBlocksAsync(monitor, cancellation);
        var machine = QemuIdentity.ReadAsync(monitor, table, cancellation);
        var process = QemuProcess.Read(monitor.PeerProcessId);
        await Task.WhenAll(backends, tree, table);
        var blocks = await table;
        var ranges = Map(await tree, blocks, await PlacesAsync(monitor, blocks, cancellation));
        var backings = BackingsAsync(monitor, blocks, ranges, await backends, cancellation);
        await Task.WhenAll(status, migration, capabilities, name, uuid, disks, machine, backings);

        var identity = await machine;
        var devices = BlockDevice.Parse(await disks, process.Directory);
        return new QemuInspection
        {
            Description = new GuestDescription
            {
                Driver = "qemu",
                Name = (await name).Text("name") ?? Path.GetFileNameWithoutExtension(monitor.Path),
                Uri = uri.Text,
                Version = identity.Version.ToString(),
                MachineType = identity.MachineType,
                CpuModel = identity.CpuModel,
                CpuCount = identity.CpuCount,
                Accelerator = identity.Accelerator,
                CommandLine = process.CommandLine,
                Blocks = blocks,
                Memory = ranges,
                Disks = [.. devices.Select(device => device.Text)],
                WasRunning = (await status).Running,
                Properties = Properties(process, (await uuid).Text("UUID"), monitor.PeerProcessId),
            },
            Version = identity.Version,
            Status = await status,
            Migration = await migration,
            Capabilities = await capabilities,
            Disks = devices,
            Backings = await backings,
        };
    }

    /// <summary>The guest-physical map as it is now. Firmware and BARs change it, so a checkpoint takes that of the cut.</summary>
    public static async Task<IReadOnlyList<MemoryRange>> ReadMemoryMapAsync(
        QmpClient monitor, IReadOnlyList<RamBlock> blocks, CancellationToken cancellation)
    {
        var tree = ReadMemoryTreeAsync(monitor, cancellation);
        var places = PlacesAsync(monitor, blocks, cancellation);
        await Task.WhenAll(tree, places);
        return Map(await tree, blocks, await places);
    }

    /// <summary>Where QEMU's process has the block a range shows; null when it does not say.</summary>
    internal static async Task<ulong?> HostAddressAsync(QmpClient monitor, MemoryRange range, CancellationToken cancellation) =>
        await AddressOfAsync(monitor, range, cancellation) is { } address && address >= range.Offset ? address - range.Offset : null;

    private static async Task<ulong?> AddressOfAsync(QmpClient monitor, MemoryRange range, CancellationToken cancellation)
    {
        var answer = await monitor.HumanMonitorAsync(
            string.Create(CultureInfo.InvariantCulture, $"gpa2hva 0x{range.Address:x}"), cancellation);
        const string Address = " is 0x";
        var at = answer.LastIndexOf(Address, StringComparison.Ordinal);
        if (at < 0) return null;
        var digits = answer.AsSpan(at + Address.Length).Trim();
        return ulong.TryParse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var address) ? address : null;
    }

    private static Task<string> ReadMemoryTreeAsync(QmpClient monitor, CancellationToken cancellation) =>
        monitor.HumanMonitorAsync("info mtree -f", cancellation);

    /// <summary>Where PCI devices have their memory; null when no two of them are of one kind, since the memory tree tells them apart then.</summary>
    private static async Task<PciWindows?> PlacesAsync(QmpClient monitor, IReadOnlyList<RamBlock> blocks, CancellationToken cancellation)
    {
        var kinds = new HashSet<string>(StringComparer.Ordinal);
        var areAlike = blocks.Any(block => !kinds.Add(block.Name[(block.Name.LastIndexOf('/') + 1)..]));
        return areAlike ? await PciWindows.ReadAsync(monitor, cancellation) : null;
    }

    private static MemoryRange[] Map(string tree, IReadOnlyList<RamBlock> blocks, PciWindows? places)
    {
        var map = GuestPhysicalMap.ParseFlatView(
            tree, [.. blocks.Select(block => new QemuRamBlock(block.Name, block.Length))], places is null ? null : places.PlaceAt);
        return [.. map.Ranges.Select(range => new MemoryRange(range.Address, range.Length, range.Block, (ulong)range.Offset))];
    }

    private static Dictionary<string, string> Properties(QemuProcess process, string? uuid, int? number)
    {
        var properties = new Dictionary<string, string>();
        if (process.Directory is { } directory) properties[QemuInspection.DirectoryProperty] = directory;
        if (process.Executable is { } executable) properties[QemuInspection.ExecutableProperty] = executable;
        // A machine without a UUID of its own says zeros.
        if (Guid.TryParse(uuid, out var id) && id != Guid.Empty) properties[QemuInspection.MachineUuidProperty] = id.ToString();
        if (number is { } known && ProcessIdentity.Of(known) is { } running) properties[QemuInspection.ProcessProperty] = running.ToString();
        return properties;
    }

    private static async Task<IReadOnlyList<QemuRamBacking>> BackingsAsync(
        QmpClient monitor, IReadOnlyList<RamBlock> blocks, IReadOnlyList<MemoryRange> ranges, JsonElement backends,
        CancellationToken cancellation)
    {
        var ids = backends.EnumerateArray().Select(backend => backend.Text("id")).OfType<string>().ToHashSet();
        var map = ids.Count > 0 && monitor.PeerProcessId is { } process ? ProcessMap.TryRead(process) : null;
        var backings = new List<QemuRamBacking>();
        foreach (var block in blocks)
        {
            // Machine types before 4.0 name the block by the backend's path in the object tree.
            var backend = ids.FirstOrDefault(id => block.Name == id || block.Name == "/objects/" + id);
            var backing = backend is null || map is null ? null : await MappedAsync(monitor, block, ranges, map, cancellation);
            backings.Add((backing ?? new QemuRamBacking(block, QemuRamKind.Private)) with { Backend = backend });
        }
        return backings;
    }

    /// <summary>
    /// The file QEMU's process has mapped where the block is. QEMU's own word decides where that is, since several backends may have one
    /// size and one name.
    /// </summary>
    private static async Task<QemuRamBacking?> MappedAsync(
        QmpClient monitor, RamBlock block, IReadOnlyList<MemoryRange> ranges, ProcessMap map, CancellationToken cancellation)
    {
        if (ranges.FirstOrDefault(range => range.Block == block.Name) is not { } range) return null;
        if (await AddressOfAsync(monitor, range, cancellation) is not { } address || map.At(address) is not { Inode: > 0 } mapping) return null;
        if (!mapping.IsShared) return new QemuRamBacking(block, QemuRamKind.Private) { IsOnDisk = mapping.IsOnDisk };
        var path = map.OpenablePath(mapping);
        return new QemuRamBacking(block, path == mapping.Path ? QemuRamKind.NamedFile : QemuRamKind.NamelessFile)
        {
            Path = path, IsOnDisk = mapping.IsOnDisk, FileOffset = mapping.Offset + (long)(address - mapping.Start) - (long)range.Offset,
        };
    }
}
