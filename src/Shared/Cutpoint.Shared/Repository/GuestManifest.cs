using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Everything a checkpoint knows of one guest but the contents: what it is, its devices, and for every page that is not zero the section
/// that holds it. Always logically full: it stands on no other manifest. Immutable.
/// </summary>
public sealed class GuestManifest
{
    internal GuestManifest(
        string name,
        Digest root,
        GuestDescription description,
        string record,
        IReadOnlyList<RamBlock> blocks,
        IReadOnlyList<BlockMap> maps,
        IReadOnlyList<DeviceInfo> devices,
        Digest[] sections)
    {
        Name = name;
        Root = root;
        Description = description;
        Record = record;
        Blocks = blocks;
        Maps = maps;
        Devices = devices;
        Sections = sections;
    }

    /// <summary>The guest's name.</summary>
    public string Name { get; }

    /// <summary>Digest of the manifest's value: the guest's root digest.</summary>
    public Digest Root { get; }

    /// <summary>What the guest is.</summary>
    public GuestDescription Description { get; }

    /// <summary>What the job noted about the guest, as JSON: passes, votes, the pause.</summary>
    public string Record { get; }

    /// <summary>The guest's RAM blocks; other calls name a block by its place here.</summary>
    public IReadOnlyList<RamBlock> Blocks { get; }

    /// <summary>The guest's units without pages, in the order they were stored.</summary>
    public IReadOnlyList<DeviceInfo> Devices { get; }

    internal IReadOnlyList<BlockMap> Maps { get; }

    internal Digest[] Sections { get; }

    /// <summary>Which pages of an extent are not zero: bit n stands for page n.</summary>
    /// <param name="block">Number of the RAM block.</param>
    /// <param name="extent">Number of the extent in the block.</param>
    public ulong PresentPages(int block, int extent)
    {
        ulong mask = 0;
        foreach (var entry in Maps[block].EntriesOf(extent)) mask |= entry.Mask;
        return mask;
    }

    /// <summary>Numbers of the extents of a block that have a page that is not zero, ascending.</summary>
    /// <param name="block">Number of the RAM block.</param>
    public ReadOnlySpan<int> PresentExtents(int block) => Maps[block].Extents;
}
