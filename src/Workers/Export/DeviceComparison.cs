using Cutpoint.Formats.Qemu;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>Compares the devices of two stored guests, field by field where their state is described.</summary>
public static class DeviceComparison
{
    /// <summary>Compares.</summary>
    /// <param name="before">The first guest.</param>
    /// <param name="after">The second guest.</param>
    /// <param name="cancellation">Cancels the comparison.</param>
    /// <returns>The devices that differ: those of the second guest in its order, then those only the first has.</returns>
    public static async Task<IReadOnlyList<DeviceDifference>> CompareAsync(GuestReader before, GuestReader after, CancellationToken cancellation)
    {
        var left = await SectionsAsync(before, cancellation);
        var right = await SectionsAsync(after, cancellation);
        var known = left.ToDictionary(device => (device.Name, device.Instance));
        var differences = new List<DeviceDifference>();
        foreach (var device in right)
        {
            if (!known.Remove((device.Name, device.Instance), out var old)) differences.Add(new(device.Name, device.Instance, DeviceChange.Added, []));
            else if (!old.Payload.Span.SequenceEqual(device.Payload.Span) || old.Version != device.Version)
                differences.Add(new(device.Name, device.Instance, DeviceChange.Changed, [.. Fields(DeviceFields.Read(old), DeviceFields.Read(device))]));
        }
        differences.AddRange(left.Where(device => known.ContainsKey((device.Name, device.Instance)))
            .Select(device => new DeviceDifference(device.Name, device.Instance, DeviceChange.Removed, [])));
        return differences;
    }

    private static async Task<IReadOnlyList<DeviceSection>> SectionsAsync(GuestReader reader, CancellationToken cancellation)
    {
        var guest = await StoredGuest.LoadAsync(reader, cancellation);
        return QemuStoredState.SectionsOf(guest.Description, guest.Devices);
    }

    private static IEnumerable<FieldDifference> Fields(DeviceFields before, DeviceFields after)
    {
        foreach (var field in after)
        {
            if (!before.TryGet(field.Path, out var old)) yield return new(field.Path, field.Type, null, field.ToText());
            else if (!old.Octets.Span.SequenceEqual(field.Octets.Span)) yield return new(field.Path, field.Type, old.ToText(), field.ToText());
        }
        foreach (var field in before)
        {
            if (!after.TryGet(field.Path, out _)) yield return new(field.Path, field.Type, field.ToText(), null);
        }
    }
}
