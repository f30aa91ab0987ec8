namespace Cutpoint.Formats.Elf;

/// <summary>A run of memory of a core: one PT_LOAD.</summary>
/// <param name="Physical">First guest-physical address.</param>
/// <param name="Virtual">First virtual address; equal to the physical one in a dump without paging.</param>
/// <param name="Length">Octets in memory.</param>
/// <param name="FileOffset">Where its octets begin in the file; meaningless when there are none.</param>
/// <param name="FileLength">Octets in the file, 0 for memory that is not in the dump.</param>
public readonly record struct ElfSegment(ulong Physical, ulong Virtual, ulong Length, long FileOffset, ulong FileLength);
