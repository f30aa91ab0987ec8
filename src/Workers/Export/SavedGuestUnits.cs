namespace Cutpoint.Workers.Export;

/// <summary>
/// How a guest lies in a saved state: unit "SSM" about the writer, one with the guest's description, one for each RAM block, one for each device.
/// </summary>
internal static class SavedGuestUnits
{
    /// <summary>The format's own unit: pairs of texts about the program that wrote it.</summary>
    public const string Information = "SSM";

    /// <summary>The description of the guest as JSON. It marks a file as one of Cutpoint's.</summary>
    public const string Description = "cutpoint.guest";

    /// <summary>A RAM block; the instance is its place in the description. No device is called so: QEMU's own memory section is.</summary>
    public const string Memory = "ram";

    /// <summary>Version of the layout of <see cref="Description"/> and <see cref="Memory"/>.</summary>
    public const uint LayoutVersion = 1;

    /// <summary>Octets of JSON a reader takes.</summary>
    public const int MaxDescription = 16 << 20;

    /// <summary>Octets of devices a reader holds in all.</summary>
    public const int MaxDevices = 256 << 20;

    /// <summary>Texts one writes about oneself: what "SSM" calls the kind of build and the host.</summary>
    public static IReadOnlyList<(string Name, string Value)> OwnInformation { get; } = [("Build Type", "release"), ("Host OS", "linux.amd64"), ("Written By", "Cutpoint")];
}
