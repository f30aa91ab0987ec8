namespace Cutpoint.Formats.Qemu;

/// <summary>One run of guest-physical addresses that shows a part of a RAM block.</summary>
/// <param name="Address">First guest-physical address.</param>
/// <param name="Length">Octets.</param>
/// <param name="Block">Name of the RAM block.</param>
/// <param name="Offset">Octets from the start of the block.</param>
/// <param name="IsReadOnly">True when the guest cannot write there.</param>
public sealed record PhysicalRange(ulong Address, ulong Length, string Block, long Offset, bool IsReadOnly = false);
