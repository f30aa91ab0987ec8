using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Export;

/// <summary>One guest of an open checkpoint with the state of its devices, which is small; its memory stays where it is.</summary>
internal sealed class StoredGuest
{
    private StoredGuest(GuestReader reader, IReadOnlyList<DeviceState> devices)
    {
        Reader = reader;
        Devices = devices;
    }

    /// <summary>Reads its memory.</summary>
    public GuestReader Reader { get; }

    /// <summary>What it is.</summary>
    public GuestDescription Description => Reader.Manifest.Description;

    /// <summary>Its RAM blocks; calls name one by its place.</summary>
    public IReadOnlyList<RamBlock> Blocks => Reader.Manifest.Blocks;

    /// <summary>Its devices, in the order they were stored.</summary>
    public IReadOnlyList<DeviceState> Devices { get; }

    /// <summary>Reads the devices.</summary>
    public static async Task<StoredGuest> LoadAsync(GuestReader reader, CancellationToken cancellation)
    {
        var devices = await Task.WhenAll(reader.Manifest.Devices.Select(async device =>
        {
            var state = reader.ReadStateAsync(device, cancellation);
            var description = reader.ReadDescriptionAsync(device, cancellation);
            return new DeviceState(device.Unit, device.Version, await state, await description);
        }));
        return new StoredGuest(reader, devices);
    }

    /// <summary>All of a block.</summary>
    public BlockRange WholeBlock(int block) => new(block, 0, Blocks[block].Length);
}
