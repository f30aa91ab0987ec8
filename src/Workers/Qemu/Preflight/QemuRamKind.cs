namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>What lies behind a RAM block.</summary>
public enum QemuRamKind
{
    /// <summary>Memory of the QEMU process alone; it can only come in the stream.</summary>
    Private,

    /// <summary>A file with a name, mapped shared.</summary>
    NamedFile,

    /// <summary>
    /// A memfd or another file without a name, mapped shared. Newer QEMU sends such blocks even when told to ignore shared ones.
    /// </summary>
    NamelessFile,
}
