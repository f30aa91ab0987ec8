namespace Cutpoint.Guests;

/// <summary>One run of the guest-physical address space that shows a part of a RAM block.</summary>
/// <param name="Address">First guest-physical address.</param>
/// <param name="Length">Octets.</param>
/// <param name="Block">Name of the RAM block.</param>
/// <param name="Offset">Octets into the block.</param>
public sealed record MemoryRange(ulong Address, ulong Length, string Block, ulong Offset);
