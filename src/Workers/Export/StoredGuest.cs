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

    /// <summary>Its guest-physical memory, ascending.</summary>
    /// <exception cref="SnapshotException">The layout is not known.</exception>
    public IReadOnlyList<MemoryRange> Memory => Description.Memory.Count > 0 ? Description.Memory
        // A machine without an address space of its own shows its only block from address 0 on.
        : Blocks is [var only] ? [new MemoryRange(0, (ulong)only.Length, only.Name, 0)]
        : throw new SnapshotException(
            ErrorCode.Incompatible, $"the memory map of guest {Description.Name} is not known", "export it in another format") { IsPreflight = true };

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

    /// <summary>The part of a block that a range of guest-physical memory shows.</summary>
    public BlockRange PartOf(MemoryRange range) => new(NumberOf(range.Block), (long)range.Offset, (long)range.Length);

    /// <summary>All of a block.</summary>
    public BlockRange WholeBlock(int block) => new(block, 0, Blocks[block].Length);

    private int NumberOf(string block)
    {
        for (var number = 0; number < Blocks.Count; number++)
            if (Blocks[number].Name == block) return number;
        throw new SnapshotException(ErrorCode.VerificationFailed, $"the memory map of guest {Description.Name} names a block '{block}' it does not have");
    }
}
