using Cutpoint.Fuzz.Targets;

namespace Cutpoint.Fuzz;

/// <summary>Every parser of input that others may have made.</summary>
public static class FuzzTargets
{
    /// <summary>The targets, in the order of the console.</summary>
    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new BerSnapshotTarget(), new BerGuestTarget(), new BerForeignTarget(), new BerOutlineTarget(), new QemuStreamTarget(), new VmDescriptionTarget(),
        new SavedStateTarget(), new StructureTarget(), new TeleportTarget(), new PackTarget(), new PackValueTarget(), new SectionTarget(), new SealedPackTarget(), new SealedCatalogTarget(), new QmpTarget(),
        new ElfCoreTarget(), new KdumpTarget(),
    ];

    /// <summary>The target of a name.</summary>
    /// <exception cref="ArgumentException">There is none; says which there are.</exception>
    public static FuzzTarget Named(string name) => All.FirstOrDefault(target => target.Name == name)
        ?? throw new ArgumentException($"no target '{name}' — the targets are {string.Join(", ", All.Select(target => target.Name))}");
}
