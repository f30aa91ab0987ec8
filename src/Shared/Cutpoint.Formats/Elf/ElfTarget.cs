namespace Cutpoint.Formats.Elf;

/// <summary>How the fields of a dump lie: they follow the guest, not the host.</summary>
/// <param name="Machine">The guest's architecture.</param>
/// <param name="Class">Width of addresses.</param>
/// <param name="IsBigEndian">Order of the octets in every field.</param>
public readonly record struct ElfTarget(ElfMachine Machine, ElfClass Class, bool IsBigEndian)
{
    /// <summary>True for 64-bit addresses.</summary>
    public bool Is64Bit => Class == ElfClass.Bits64;

    internal WordOrder Order => new(IsBigEndian);
}
