namespace Cutpoint.Workers.Restore;

/// <summary>How the memory of a guest gets into QEMU.</summary>
public enum RestoreTransport
{
    /// <summary>Direct where the guest can be launched with RAM files, else stream.</summary>
    Auto,

    /// <summary>Files hold the memory, QEMU maps them, and only the rest comes as a stream.</summary>
    Direct,

    /// <summary>Everything comes as a migration stream.</summary>
    Stream,
}
