namespace Cutpoint.Workers.Restore;

/// <summary>What a restore is at.</summary>
public enum RestoreStep
{
    /// <summary>QEMU starts, or is asked whether it fits.</summary>
    Preparing,

    /// <summary>The memory is read, checked and put in place.</summary>
    Memory,

    /// <summary>QEMU takes over the state of the devices.</summary>
    Devices,

    /// <summary>Every guest is loaded; those that ran run on.</summary>
    Running,
}
