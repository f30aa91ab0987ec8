namespace Cutpoint.Formats.Ssm;

/// <summary>What the sizes of saved values depend on: the host that saved them, or the one that loads them. Saved state format, section C.5.</summary>
/// <param name="PointerSize">Octets of a pointer of the host, 4 or 8.</param>
/// <param name="GuestPhysicalSize">Octets of a guest-physical address, 4 or 8.</param>
/// <param name="GuestPointerSize">Octets of a guest pointer, 4 or 8.</param>
/// <param name="IsMicrosoft32">True for 32-bit Windows, whose compiler aligns 64-bit members.</param>
public readonly record struct SavedStateHost(int PointerSize, int GuestPhysicalSize, int GuestPointerSize, bool IsMicrosoft32 = false)
{
    /// <summary>What unit "SSM" calls 32-bit Windows.</summary>
    public const string Microsoft32Name = "win.x86";

    /// <summary>A 64-bit host that is not Windows: what this library writes as.</summary>
    public static SavedStateHost Own { get; } = new(8, 8, 8);

    /// <summary>The host a saved state comes from. Where version 1.1 does not say, it is a host like ours.</summary>
    /// <param name="header">The header of the saved state.</param>
    /// <param name="hostOs">What unit "SSM" says, such as "win.amd64"; null before that is known.</param>
    public static SavedStateHost Of(SavedStateHeader header, string? hostOs = null) => new(
        header.HostBits / 8,
        header.GuestPhysicalSize,
        header.GuestPointerSize == 0 ? Own.GuestPointerSize : header.GuestPointerSize,
        hostOs == Microsoft32Name);
}
