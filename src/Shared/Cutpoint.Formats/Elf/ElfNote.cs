namespace Cutpoint.Formats.Elf;

/// <summary>A note of a dump.</summary>
/// <param name="Name">Its owner: "CORE", "QEMU", "VMCOREINFO".</param>
/// <param name="Type">The owner's number for it.</param>
/// <param name="Contents">Its octets.</param>
public sealed record ElfNote(string Name, uint Type, ReadOnlyMemory<byte> Contents)
{
    /// <summary>Type of a CORE note with the registers of a CPU.</summary>
    public const uint RegistersType = 1;

    /// <summary>Type of a CORE note with the floating-point registers of a CPU.</summary>
    public const uint FloatingPointType = 2;

    /// <summary>Type of a LINUX note with the floating-point registers of a 32-bit ARM CPU.</summary>
    public const uint ArmFloatingPointType = 0x400;

    /// <summary>Owner of notes every debugger reads.</summary>
    public const string Core = "CORE";

    /// <summary>Owner of notes on register sets that one architecture has.</summary>
    public const string Linux = "LINUX";

    /// <summary>Owner of the note with control registers and segments.</summary>
    public const string Qemu = "QEMU";
}
