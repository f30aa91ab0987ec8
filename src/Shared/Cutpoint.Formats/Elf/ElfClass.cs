namespace Cutpoint.Formats.Elf;

/// <summary>Width of the addresses in a dump: EI_CLASS.</summary>
public enum ElfClass : byte
{
    /// <summary>ELFCLASS32.</summary>
    Bits32 = 1,

    /// <summary>ELFCLASS64.</summary>
    Bits64 = 2,
}
