namespace Cutpoint.Formats.Qemu;

/// <summary>The configuration section: what a receiver compares before it reads on. QEMU migration stream, section 1.</summary>
/// <param name="MachineName">Machine type with version, such as "pc-i440fx-7.2".</param>
public sealed record QemuConfiguration(string MachineName)
{
    /// <summary>log2 of the target's page size, or null when it is the target's default (x86 never sends it).</summary>
    public int? TargetPageBits { get; init; }

    /// <summary>Capabilities the receiver must have on; see <see cref="QemuCapability"/>.</summary>
    public IReadOnlyList<string> Capabilities { get; init; } = [];

    /// <summary>The machine's UUID in the order of the wire, 16 octets, or empty when it was not sent.</summary>
    public ReadOnlyMemory<byte> Uuid { get; init; }

    /// <summary>Octets of a target page.</summary>
    public int PageSize => TargetPageBits is { } bits ? 1 << bits : QemuStreamParser.DefaultPageSize;

    /// <summary>True when pages of shared blocks are left out and the block list carries addresses.</summary>
    public bool IgnoresShared => Capabilities.Contains(QemuCapability.IgnoreShared);

    /// <summary>True when every page has a fixed place in the file.</summary>
    public bool IsMappedRam => Capabilities.Contains(QemuCapability.MappedRam);

    /// <summary>The same configuration with one capability on or off.</summary>
    public QemuConfiguration WithCapability(string name, bool on) => this with
    {
        Capabilities = on
            ? Capabilities.Contains(name) ? Capabilities : [.. Capabilities, name]
            : [.. Capabilities.Where(c => c != name)],
    };
}
