namespace Cutpoint.Formats.Qemu;

/// <summary>A segment register with its hidden part.</summary>
/// <param name="Selector">The visible part.</param>
/// <param name="Base">Linear address of the segment.</param>
/// <param name="Limit">Last valid offset.</param>
/// <param name="Flags">Attributes as in the upper half of a descriptor: bits 8 to 23.</param>
public readonly record struct X86Segment(uint Selector, ulong Base, uint Limit, uint Flags);
