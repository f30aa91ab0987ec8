namespace Cutpoint.Formats.Elf;

/// <summary>Architectures of dumps: e_machine.</summary>
public enum ElfMachine : ushort
{
    /// <summary>EM_386.</summary>
    I386 = 3,

    /// <summary>EM_ARM.</summary>
    Arm = 40,

    /// <summary>EM_X86_64.</summary>
    X86Bits64 = 62,

    /// <summary>EM_AARCH64.</summary>
    Arm64 = 183,
}
