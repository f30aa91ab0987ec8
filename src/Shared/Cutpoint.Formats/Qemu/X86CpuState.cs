namespace Cutpoint.Formats.Qemu;

/// <summary>The registers of one x86 CPU, from its "cpu" and "cpu_common" sections: QEMU migration stream, section 8. Immutable.</summary>
public sealed class X86CpuState
{
    private X86CpuState(uint index) => Index = index;

    /// <summary>Number of the CPU.</summary>
    public uint Index { get; }

    /// <summary>True when the CPU waits in HLT.</summary>
    public bool IsHalted { get; private init; }

    /// <summary>True when the stream is of a 64-bit target; a 32-bit one has 8 registers.</summary>
    public bool Is64BitTarget { get; private init; }

    /// <summary>
    /// True when the CPU is in long mode (EFER.LMA), also in its compatibility mode. Decides between x86-64 and i386 notes of a dump.
    /// </summary>
    public bool IsLongMode => (Hflags & (1u << 14)) != 0;

    /// <summary>rax rcx rdx rbx rsp rbp rsi rdi r8 … r15, in this order; 16, the upper ones 0 for a 32-bit target.</summary>
    public IReadOnlyList<ulong> Registers { get; private init; } = [];

    /// <summary>Instruction pointer.</summary>
    public ulong Rip { get; private init; }

    /// <summary>Flags.</summary>
    public ulong Rflags { get; private init; }

    /// <summary>QEMU's summary of the mode; bit 14 is long mode, bits 0 and 1 the privilege level.</summary>
    public uint Hflags { get; private init; }

    /// <summary>es cs ss ds fs gs, in this order.</summary>
    public IReadOnlyList<X86Segment> Segments { get; private init; } = [];

    /// <summary>Local descriptor table.</summary>
    public X86Segment Ldt { get; private init; }

    /// <summary>Task register.</summary>
    public X86Segment Tr { get; private init; }

    /// <summary>Global descriptor table; base and limit only.</summary>
    public X86Segment Gdt { get; private init; }

    /// <summary>Interrupt descriptor table; base and limit only.</summary>
    public X86Segment Idt { get; private init; }

    /// <summary>Control register 0.</summary>
    public ulong Cr0 { get; private init; }

    /// <summary>Control register 2: address of the last page fault.</summary>
    public ulong Cr2 { get; private init; }

    /// <summary>Control register 3: root of the page tables.</summary>
    public ulong Cr3 { get; private init; }

    /// <summary>Control register 4.</summary>
    public ulong Cr4 { get; private init; }

    /// <summary>Debug registers 0 to 7.</summary>
    public IReadOnlyList<ulong> DebugRegisters { get; private init; } = [];

    /// <summary>Extended feature enable register.</summary>
    public ulong Efer { get; private init; }

    /// <summary>The GS base that SWAPGS exchanges.</summary>
    public ulong KernelGsBase { get; private init; }

    /// <summary>Reads every CPU of a stream, in order of their numbers.</summary>
    /// <param name="devices">All devices of the stream.</param>
    /// <exception cref="SnapshotException">There is no x86 CPU, or its layout is not known.</exception>
    public static IReadOnlyList<X86CpuState> ReadAll(IEnumerable<DeviceSection> devices) => throw new NotSupportedException();
}
