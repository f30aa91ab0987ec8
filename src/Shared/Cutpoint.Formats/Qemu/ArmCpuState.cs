namespace Cutpoint.Formats.Qemu;

/// <summary>The registers of one ARM CPU, 32 or 64 bits wide, from its "cpu" section, which must be described. Immutable.</summary>
public sealed class ArmCpuState
{
    private const ulong Is32BitState = 0x10; // PSTATE.nRW, and bit 4 of the mode in the CPSR

    // QEMU names system registers as KVM does: its numbering of op0, op1, CRn, CRm and op2, or of coprocessor 15.
    // QEMU keeps some of 64 bits for CPUs of 32 too, but not the identification of their memory model.
    private const ulong SystemControl = 0x6030_0000_0013_c080; // SCTLR_EL1
    private const ulong MemoryModel = 0x6030_0000_0013_c038; // ID_AA64MMFR0_EL1
    private const ulong BigEndianData = 1ul << 25; // SCTLR.EE

    private const uint StatusBits = 0xf800_009f;
    private const uint ControlBits = 0x07ff_9f00;

    private ArmCpuState(uint index) => Index = index;

    /// <summary>Number of the CPU.</summary>
    public uint Index { get; }

    /// <summary>True when the CPU can be in 64-bit state, whatever state it is in.</summary>
    public bool Is64Bit { get; private init; }

    /// <summary>True when the kernel's data are big-endian: the system control register of EL1 says so.</summary>
    public bool IsBigEndian { get; private init; }

    /// <summary>x0 to x30 of a 64-bit CPU; in 32-bit state as the architecture maps the registers of every mode to them.</summary>
    public required IReadOnlyList<ulong> Registers { get; init; }

    /// <summary>Stack pointer of the exception level that runs.</summary>
    public ulong StackPointer { get; private init; }

    /// <summary>Program counter.</summary>
    public ulong ProgramCounter { get; private init; }

    /// <summary>PSTATE in 64-bit state, the CPSR in 32-bit state.</summary>
    public uint Status { get; private init; }

    /// <summary>r0 to r15 of the mode a CPU in 32-bit state is in.</summary>
    public required IReadOnlyList<uint> ModeRegisters { get; init; }

    /// <summary>v0 to v31, of which pairs of d0 to d31 are the halves; null when the CPU has no floating point.</summary>
    public IReadOnlyList<UInt128>? Vectors { get; private init; }

    /// <summary>Floating-point status: cumulative exceptions and flags.</summary>
    public uint FloatingPointStatus { get; private init; }

    /// <summary>Floating-point control.</summary>
    public uint FloatingPointControl { get; private init; }

    /// <summary>True for the state of an ARM CPU.</summary>
    public static bool Matches(DeviceSection device)
    {
        ArgumentNullException.ThrowIfNull(device);
        return device.Name == "cpu" && DeviceFields.Read(device).TryGet("cpreg_vmstate_array_len", out _);
    }

    /// <summary>Reads every CPU of a stream, in order of their numbers.</summary>
    /// <param name="devices">All devices, or at least those of the CPUs.</param>
    /// <exception cref="SnapshotException">There is no CPU, or one of an unknown layout (<see cref="ErrorCode.Incompatible"/>).</exception>
    public static IReadOnlyList<ArmCpuState> ReadAll(IEnumerable<DeviceSection> devices)
    {
        ArgumentNullException.ThrowIfNull(devices);
        var cpus = devices.Where(device => device.Name == "cpu").OrderBy(device => device.Instance).Select(Read).ToList();
        return cpus.Count > 0 ? cpus : throw Unknown("the guest's state has no ARM CPU");
    }

    private static ArmCpuState Read(DeviceSection cpu)
    {
        var fields = new Fields(cpu);
        var system = fields.SystemRegisters();
        var is64Bit = system.ContainsKey(MemoryModel);
        if (!system.TryGetValue(SystemControl, out var control))
            throw Unknown($"the state of CPU {cpu.Instance} has no system control register");
        var status = (uint)fields.Octets("cpsr", sizeof(uint));
        var mode = fields.Array("env.regs", 16).Select(value => (uint)value).ToArray();
        var registers = fields.Array("env.xregs", 32);
        var isNarrow = !is64Bit || (status & Is32BitState) != 0;
        var (vectors, floatingStatus, floatingControl) = FloatingPoint(fields);
        return new ArmCpuState(cpu.Instance)
        {
            Is64Bit = is64Bit,
            IsBigEndian = (control & BigEndianData) != 0,
            Registers = is64Bit && isNarrow ? AsWide(fields, mode, status) : registers[..31],
            StackPointer = isNarrow && !is64Bit ? mode[13] : registers[31],
            ProgramCounter = isNarrow ? mode[15] : fields.Get("env.pc"),
            Status = status,
            ModeRegisters = mode,
            Vectors = vectors,
            FloatingPointStatus = floatingStatus,
            FloatingPointControl = floatingControl,
        };
    }

    /// <summary>The registers of all modes of the 32-bit state in those of the 64-bit state, as an exception to 64-bit state finds them.</summary>
    private static ulong[] AsWide(Fields fields, uint[] current, uint status)
    {
        // Places of QEMU's banks: user and system, supervisor, abort, undefined, interrupt, fast interrupt, hypervisor.
        const int user = 0, supervisor = 1, abort = 2, undefined = 3, interrupt = 4, fast = 5, hypervisor = 6;
        var bank = (status & 0x1f) switch { 0x11 => fast, 0x12 => interrupt, 0x13 => supervisor, 0x17 => abort, 0x1a => hypervisor, 0x1b => undefined, 0x10 or 0x1f => user, _ => -1 };
        var (stacks, links) = (fields.Array("env.banked_r13", 8), fields.Array("env.banked_r14", 8));
        var wide = new ulong[31];
        for (var i = 0; i < 8; i++) wide[i] = current[i];
        var (others, fasts) = (fields.Array("env.usr_regs", 5), fields.Array("env.fiq_regs", 5));
        for (var i = 0; i < 5; i++)
        {
            wide[8 + i] = bank == fast ? others[i] : current[8 + i];
            wide[24 + i] = bank == fast ? current[8 + i] : fasts[i];
        }
        wide[13] = Stack(user);
        // The hypervisor's mode has no link register of its own.
        wide[14] = bank is user or hypervisor ? current[14] : links[user];
        wide[15] = Stack(hypervisor);
        foreach (var (to, from) in ((int, int)[])[(16, interrupt), (18, supervisor), (20, abort), (22, undefined)])
        {
            wide[to] = Link(from);
            wide[to + 1] = Stack(from);
        }
        wide[29] = Stack(fast);
        wide[30] = Link(fast);
        return wide;

        ulong Stack(int of) => of == bank ? current[13] : stacks[of];
        ulong Link(int of) => of == bank ? current[14] : links[of];
    }

    private static (UInt128[]? Vectors, uint Status, uint Control) FloatingPoint(Fields fields)
    {
        if (!fields.Has("cpu/vfp.env.vfp.zregs[0].d[0]")) return default;
        var vectors = new UInt128[32];
        for (var i = 0; i < vectors.Length; i++) vectors[i] = new UInt128(fields.Get($"cpu/vfp.env.vfp.zregs[{i}].d[1]"), fields.Get($"cpu/vfp.env.vfp.zregs[{i}].d[0]"));
        // From 9.1 on, values the common register has no room for are in a subsection of their own.
        const string wide = "cpu/vfp/fpcr_fpsr.";
        if (fields.Has(wide + "fpsr")) return (vectors, (uint)fields.Octets(wide + "fpsr", sizeof(ulong)), (uint)fields.Octets(wide + "fpcr", sizeof(ulong)));
        var both = (uint)fields.Octets("cpu/vfp.fpscr", sizeof(uint));
        return (vectors, both & StatusBits, both & ControlBits);
    }

    private static SnapshotException Unknown(string reason) =>
        new(ErrorCode.Incompatible, reason, "registers are known of guests of qemu-system-aarch64 and qemu-system-arm, 7.2 to 10.x, in streams that describe their devices");

    /// <summary>Finds values by name.</summary>
    private sealed class Fields(DeviceSection cpu)
    {
        /// <summary>Registers a CPU may have; those of today have about 300.</summary>
        private const int MaxSystemRegisters = 1 << 14;

        private readonly DeviceFields _fields = DeviceFields.Read(cpu);

        public bool Has(string path) => _fields.TryGet(path, out _);

        public ulong Get(string path) => _fields.TryGet(path, out var field) && field.IsInteger ? field.ToUInt64() : throw Missing(path);

        /// <summary>A number of a type of its own, which is big-endian as all are.</summary>
        public ulong Octets(string path, int size)
        {
            if (!_fields.TryGet(path, out var field) || field.Size != size) throw Missing(path);
            ulong value = 0;
            foreach (var octet in field.Octets.Span) value = (value << 8) | octet;
            return value;
        }

        public ulong[] Array(string path, int count) => [.. Enumerable.Range(0, count).Select(i => Get($"{path}[{i}]"))];

        public Dictionary<ulong, ulong> SystemRegisters()
        {
            var count = Get("cpreg_vmstate_array_len");
            if (count > MaxSystemRegisters) throw Unknown($"CPU {cpu.Instance} claims {count} system registers");
            var values = new Dictionary<ulong, ulong>((int)count);
            for (var i = 0ul; i < count; i++) values[Get($"cpreg_vmstate_indexes[{i}]")] = Get($"cpreg_vmstate_values[{i}]");
            return values;
        }

        private SnapshotException Missing(string path) => Unknown($"the state of CPU {cpu.Instance} has no {path}");
    }
}
