using Cutpoint.Repository;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>Explains the units of a stored guest that have no pages.</summary>
public static class StoredUnits
{
    /// <summary>Reads every device of a guest.</summary>
    /// <param name="guest">The guest.</param>
    /// <param name="cancellation">Cancels the read.</param>
    /// <returns>The devices in the order they were stored, with their fields where these are described.</returns>
    /// <exception cref="SnapshotException">The state of a device is damaged.</exception>
    public static async Task<IReadOnlyList<InspectedUnit>> ReadAsync(GuestReader guest, CancellationToken cancellation)
    {
        var stored = await StoredGuest.LoadAsync(guest, cancellation);
        if (stored.Description.Driver == "qemu")
            return [.. QemuStoredState.SectionsOf(stored.Description, stored.Devices).Select(GuestCensus.Describe)];
        return [.. stored.Devices.Select(device => new InspectedUnit(device.Unit.Name, device.Unit.Instance, device.Version, device.State.Length, []))];
    }
}
