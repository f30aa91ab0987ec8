namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Names of the migration capabilities that a stream's configuration may carry; sender and receiver must agree on them exactly.
/// </summary>
public static class QemuCapability
{
    /// <summary>Pages of shared, file-backed blocks are not sent; the block list carries guest addresses.</summary>
    public const string IgnoreShared = "x-ignore-shared";

    /// <summary>Every page has a fixed place in the file (QEMU 9.0 and newer).</summary>
    public const string MappedRam = "mapped-ram";
}
