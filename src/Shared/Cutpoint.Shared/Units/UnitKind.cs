namespace Cutpoint.Units;

/// <summary>Who registers a unit. The rules of deregistration differ: saved state contract, sections A.1 and A.3.</summary>
public enum UnitKind
{
    /// <summary>A device. May be placed before another unit by name.</summary>
    Device = 1,

    /// <summary>A driver below a device.</summary>
    Driver = 2,

    /// <summary>A USB device.</summary>
    Usb = 3,

    /// <summary>A part of the machine itself.</summary>
    Internal = 4,

    /// <summary>Anything outside the machine.</summary>
    External = 5,
}
