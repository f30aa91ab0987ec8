namespace Cutpoint.Formats.Ssm;

/// <summary>
/// How a member of a structure is saved: saved state format, section C.2, in the numbers of VirtualBox 4.2 and newer. The numbers never reach a file;
/// <see cref="SavedStateTransformers"/> knows the older ones.
/// </summary>
public enum SavedStateTransformer
{
    /// <summary>None: an error.</summary>
    Invalid = 0,

    /// <summary>The octets as they are.</summary>
    None = 1,

    /// <summary>A guest-physical address.</summary>
    GuestPhysical = 2,

    /// <summary>A guest pointer.</summary>
    GuestPointer = 3,

    /// <summary>A raw-mode pointer, 4 octets.</summary>
    RawPointer = 4,

    /// <summary>Raw-mode pointers.</summary>
    RawPointerArray = 5,

    /// <summary>A host pointer of which only matters whether it is null.</summary>
    HostPointerIsSet = 6,

    /// <summary>Such host pointers.</summary>
    HostPointerIsSetArray = 7,

    /// <summary>A host pointer that holds a number of 32 bits.</summary>
    HostPointerAsNumber = 8,

    /// <summary>32 bits in the file, 64 in memory; can only be loaded.</summary>
    ZeroExtended = 9,

    /// <summary>Not saved.</summary>
    Ignored = 10,

    /// <summary>Not saved: a guest-physical address.</summary>
    IgnoredGuestPhysical = 11,

    /// <summary>Not saved: a guest pointer.</summary>
    IgnoredGuestPointer = 12,

    /// <summary>Not saved: a raw-mode pointer.</summary>
    IgnoredRawPointer = 13,

    /// <summary>Not saved: a host pointer.</summary>
    IgnoredHostPointer = 14,

    /// <summary>Was a member once: zeros in the file.</summary>
    Old = 15,

    /// <summary>Was a guest-physical address once.</summary>
    OldGuestPhysical = 16,

    /// <summary>Was a guest pointer once.</summary>
    OldGuestPointer = 17,

    /// <summary>Was a raw-mode pointer once.</summary>
    OldRawPointer = 18,

    /// <summary>Was a host pointer once.</summary>
    OldHostPointer = 19,

    /// <summary>Was padding once, of a size that depends on the host.</summary>
    OldPadding = 20,

    /// <summary>Was padding once, on 32-bit Windows only.</summary>
    OldPaddingMicrosoft32 = 21,

    /// <summary>A padding member whose size depends on the host.</summary>
    Padding = 22,

    /// <summary>A padding member of 32-bit hosts.</summary>
    Padding32 = 23,

    /// <summary>A padding member of 64-bit hosts.</summary>
    Padding64 = 24,

    /// <summary>Padding the compiler puts in.</summary>
    PaddingAuto = 25,

    /// <summary>Padding the compiler of 32-bit Windows puts in.</summary>
    PaddingAutoMicrosoft32 = 26,
}
