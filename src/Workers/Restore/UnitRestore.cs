using Cutpoint.Repository;
using Cutpoint.Units;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Restore;

/// <summary>Loads a stored guest into units of this process: reference guests, and any program that registers units.</summary>
public static class UnitRestore
{
    /// <summary>Loads every RAM block and every device, each into the unit of its name and instance.</summary>
    /// <param name="guest">The stored guest.</param>
    /// <param name="units">The units. Those the checkpoint does not have are prepared and ended, not executed.</param>
    /// <param name="options">What becomes of the guest.</param>
    /// <param name="cancellation">Cancels the load; every unit called before is told.</param>
    /// <exception cref="SnapshotException">A unit failed or is missing, or the checkpoint is damaged.</exception>
    public static async Task RunAsync(GuestReader guest, UnitRegistry units, LoadOptions options, CancellationToken cancellation)
    {
        await using var sections = new StoredSections(await StoredGuest.LoadAsync(guest, cancellation), units);
        await UnitLoad.RunAsync(units, sections, options, cancellation);
    }
}
