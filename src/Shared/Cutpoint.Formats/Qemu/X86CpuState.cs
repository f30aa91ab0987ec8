using System.Buffers.Binary;

namespace Cutpoint.Formats.Qemu;

/// <summary>The registers of one x86 CPU, from its "cpu" and "cpu_common" sections: QEMU migration stream, section 8. Immutable.</summary>
public sealed class X86CpuState
{
    private const uint LongModeActive = 1u << 14;

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
    public bool IsLongMode => (Hflags & LongModeActive) != 0;

    /// <summary>rax rcx rdx rbx rsp rbp rsi rdi r8 … r15, in this order; 16, the upper ones 0 for a 32-bit target.</summary>
    public required IReadOnlyList<ulong> Registers { get; init; }

    /// <summary>Instruction pointer.</summary>
    public ulong Rip { get; private init; }

    /// <summary>Flags.</summary>
    public ulong Rflags { get; private init; }

    /// <summary>QEMU's summary of the mode; bit 14 is long mode, bits 0 and 1 the privilege level.</summary>
    public uint Hflags { get; private init; }

    /// <summary>es cs ss ds fs gs, in this order.</summary>
    public required IReadOnlyList<X86Segment> Segments { get; init; }

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
    public required IReadOnlyList<ulong> DebugRegisters { get; init; }

    /// <summary>Extended feature enable register; 0 for a 32-bit target.</summary>
    public ulong Efer { get; private init; }

    /// <summary>The GS base that SWAPGS exchanges; 0 for a 32-bit target.</summary>
    public ulong KernelGsBase { get; private init; }

    /// <summary>Reads every CPU of a stream, in order of their numbers.</summary>
    /// <param name="devices">All devices of the stream. One without a description is read by the layout of 64-bit QEMU 7.2 to 10.x.</param>
    /// <exception cref="SnapshotException">There is no x86 CPU, or its layout is not known.</exception>
    public static IReadOnlyList<X86CpuState> ReadAll(IEnumerable<DeviceSection> devices)
    {
        ArgumentNullException.ThrowIfNull(devices);
        var sections = devices.Where(d => d.Name is "cpu" or "cpu_common").ToList();
        var cpus = sections.Where(d => d.Name == "cpu").OrderBy(d => d.Instance)
            .Select(cpu => Read(cpu, sections.Find(d => d.Name == "cpu_common" && d.Instance == cpu.Instance))).ToList();
        return cpus.Count > 0 ? cpus : throw Unknown("the guest's state has no x86 CPU");
    }

    private static SnapshotException Unknown(string reason) =>
        new(ErrorCode.Incompatible, reason, "registers are known of guests of qemu-system-x86_64 and qemu-system-i386, 7.2 to 10.x");

    private static X86CpuState Read(DeviceSection cpu, DeviceSection? common)
    {
        var layout = new Layout(cpu);
        return new X86CpuState(cpu.Instance)
        {
            // Both releases put "halted" first, followed by the pending interrupts.
            IsHalted = common is { Payload.Length: >= sizeof(uint) } && BinaryPrimitives.ReadUInt32BigEndian(common.Payload.Span) != 0,
            Is64BitTarget = layout.Is64Bit,
            Registers = layout.Array("env.regs", 16, 0),
            Rip = layout.Get("env.eip", 128, 8),
            Rflags = layout.Get("env.eflags", 136, 8),
            Hflags = (uint)layout.Get("env.hflags", 144, 4),
            Segments = [.. Enumerable.Range(0, 6).Select(i => layout.Segment($"env.segs[{i}]", 236 + 20 * i))],
            Ldt = layout.Segment("env.ldt", 356),
            Tr = layout.Segment("env.tr", 376),
            Gdt = layout.Segment("env.gdt", 396),
            Idt = layout.Segment("env.idt", 416),
            Cr0 = layout.Get("env.cr[0]", 456, 8),
            Cr2 = layout.Get("env.cr[2]", 464, 8),
            Cr3 = layout.Get("env.cr[3]", 472, 8),
            Cr4 = layout.Get("env.cr[4]", 480, 8),
            DebugRegisters = layout.Array("env.dr", 8, 488),
            Efer = layout.Is64Bit ? layout.Get("env.efer", 816, 8) : 0,
            KernelGsBase = layout.Is64Bit ? layout.Get("env.kernelgsbase", 856, 8) : 0,
        };
    }

    /// <summary>
    /// Finds values by name where the section is described, else at the places they have in all known versions of the 64-bit target.
    /// </summary>
    private sealed class Layout
    {
        private const uint KnownVersion = 12;
        private const int KnownLength = 864;

        private readonly DeviceSection _cpu;
        private readonly DeviceFields? _fields;

        public Layout(DeviceSection cpu)
        {
            _cpu = cpu;
            _fields = cpu.IsDescribed ? DeviceFields.Read(cpu) : null;
            if (_fields is null && (cpu.Version != KnownVersion || cpu.Payload.Length < KnownLength))
                throw Unknown($"CPU {cpu.Instance} (version {cpu.Version}) is not described");
            Is64Bit = _fields is null || _fields.TryGet("env.regs[15]", out _);
        }

        public bool Is64Bit { get; }

        public ulong Get(string path, int offset, int size)
        {
            if (_fields is null)
            {
                var octets = _cpu.Payload.Span[offset..];
                return size == sizeof(ulong) ? BinaryPrimitives.ReadUInt64BigEndian(octets) : BinaryPrimitives.ReadUInt32BigEndian(octets);
            }

            return _fields.TryGet(path, out var field) && field.IsInteger
                ? field.ToUInt64()
                : throw Unknown($"the state of CPU {_cpu.Instance} has no {path}");
        }

        public ulong[] Array(string path, int count, int offset)
        {
            var values = new ulong[count];
            var present = path == "env.regs" && !Is64Bit ? 8 : count;
            for (var i = 0; i < present; i++) values[i] = Get($"{path}[{i}]", offset + sizeof(ulong) * i, sizeof(ulong));
            return values;
        }

        public X86Segment Segment(string path, int offset) => new(
            (uint)Get(path + ".selector", offset, 4), Get(path + ".base", offset + 4, 8),
            (uint)Get(path + ".limit", offset + 12, 4), (uint)Get(path + ".flags", offset + 16, 4));
    }
}
