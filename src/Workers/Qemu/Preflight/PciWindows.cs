using System.Globalization;
using System.Text.Json;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>Where the guest's firmware or kernel has put the memory of PCI devices. Immutable.</summary>
internal sealed class PciWindows
{
    private readonly List<(ulong Address, ulong Length, string Place)> _windows = [];

    private PciWindows()
    {
    }

    /// <summary>Asks the monitor. Empty for a machine without PCI.</summary>
    internal static async Task<PciWindows> ReadAsync(QmpClient monitor, CancellationToken cancellation)
    {
        var windows = new PciWindows();
        try
        {
            foreach (var bus in (await monitor.ExecuteAsync("query-pci", cancellation)).EnumerateArray())
            {
                var root = string.Create(CultureInfo.InvariantCulture, $"0000:{bus.GetProperty("bus").GetInt32():x2}");
                windows.Add(bus.GetProperty("devices"), root);
            }
        }
        catch (QmpException without) when (without.Failure == QmpFailure.Refused)
        {
            return windows;
        }
        return windows;
    }

    /// <summary>The device that shows memory at an address, called as names of RAM blocks begin; null when none does.</summary>
    internal string? PlaceAt(ulong address)
    {
        foreach (var (start, length, place) in _windows)
        {
            if (address >= start && address - start < length) return place;
        }
        return null;
    }

    /// <summary>QEMU calls a device by the way to it: slot and function on the root bus, then on every bus behind a bridge.</summary>
    private void Add(JsonElement devices, string way)
    {
        foreach (var device in devices.EnumerateArray())
        {
            var (slot, function) = (device.GetProperty("slot").GetInt32(), device.GetProperty("function").GetInt32());
            var place = string.Create(CultureInfo.InvariantCulture, $"{way}:{slot:x2}.{function:x}");
            foreach (var region in device.GetProperty("regions").EnumerateArray())
            {
                // -1 until the firmware has given it an address.
                if (region.Text("type") == "memory" && region.GetProperty("address").TryGetInt64(out var address) && address > 0)
                    _windows.Add(((ulong)address, (ulong)region.GetProperty("size").GetInt64(), place));
            }
            if (device.TryGetProperty("pci_bridge", out var bridge) && bridge.TryGetProperty("devices", out var behind)) Add(behind, place);
        }
    }
}
