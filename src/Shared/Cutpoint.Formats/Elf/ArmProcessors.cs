using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Elf;

/// <summary>
/// Processors of an ARM machine. Whether the notes are those of aarch64 or of 32-bit arm is decided by what the first CPU can do, not by the state it is in. The
/// layouts are those of Linux' elf_prstatus and of its floating-point register sets.
/// </summary>
public sealed class ArmProcessors : GuestProcessors
{
    private readonly IReadOnlyList<ArmCpuState> _cpus;

    /// <summary>Takes the processors of a guest.</summary>
    /// <param name="cpus">At least one, in order of their numbers.</param>
    public ArmProcessors(IReadOnlyList<ArmCpuState> cpus)
    {
        ArgumentNullException.ThrowIfNull(cpus);
        _cpus = cpus;
    }

    /// <inheritdoc/>
    public override ElfMachine Machine => Is64Bit ? ElfMachine.Arm64 : ElfMachine.Arm;

    /// <inheritdoc/>
    public override bool IsBigEndian => _cpus[0].IsBigEndian;

    /// <inheritdoc/>
    public override int Count => _cpus.Count;

    /// <summary>Octets of a page in a kdump file: the largest a 64-bit kernel may have chosen, so that every reader's page is a part of one.</summary>
    public override int BlockSize => Is64Bit ? 65536 : 4096;

    /// <inheritdoc/>
    public override string MachineName => Is64Bit ? "aarch64" : "armv7l";

    /// <inheritdoc/>
    protected override bool Is64Bit => _cpus[0].Is64Bit;

    /// <inheritdoc/>
    public override IReadOnlyList<ElfNote> Notes() => [.. _cpus.SelectMany(cpu => Is64Bit ? Notes64(cpu) : Notes32(cpu))];

    /// <inheritdoc/>
    public override ulong PhysicalBase(ElfNote? note, IReadOnlyList<DumpRange> memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        if (Is64Bit && note is not null && VmCoreInfo.Number(note, "PHYS_OFFSET") is { } number) return (ulong)number;
        // What readers assume too when nobody tells them: the kernel's memory begins where the machine's does.
        return memory.Count == 0 ? 0 : memory[0].Address;
    }

    /// <inheritdoc/>
    public override Task<IReadOnlyList<MemoryMapping>?> WalkAsync(IGuestMemory memory, CancellationToken cancellation) =>
        throw new SnapshotException(
            ErrorCode.Incompatible, "the page tables of ARM guests are not walked", "export without --paging: crash finds the guest's virtual addresses by itself") { IsPreflight = true };

    private ElfNote[] Notes64(ArmCpuState cpu)
    {
        var order = new WordOrder(IsBigEndian);
        var status = new byte[392];
        order.Put32(status.AsSpan(32), cpu.Index + 1);
        ulong[] registers = [.. cpu.Registers, cpu.StackPointer, cpu.ProgramCounter, cpu.Status];
        for (var i = 0; i < registers.Length; i++) order.Put64(status.AsSpan(112 + (8 * i)), registers[i]);
        order.Put32(status.AsSpan(384), 1);
        var floating = new byte[528];
        for (var i = 0; i < cpu.Vectors?.Count; i++) Put128(order, floating.AsSpan(16 * i), cpu.Vectors[i]);
        order.Put32(floating.AsSpan(512), cpu.FloatingPointStatus);
        order.Put32(floating.AsSpan(516), cpu.FloatingPointControl);
        return [new(ElfNote.Core, ElfNote.RegistersType, status), new(ElfNote.Core, ElfNote.FloatingPointType, floating)];
    }

    private ElfNote[] Notes32(ArmCpuState cpu)
    {
        var order = new WordOrder(IsBigEndian);
        var status = new byte[148];
        order.Put32(status.AsSpan(24), cpu.Index + 1);
        uint[] registers = [.. cpu.ModeRegisters, cpu.Status];
        for (var i = 0; i < registers.Length; i++) order.Put32(status.AsSpan(72 + (4 * i)), registers[i]);
        order.Put32(status.AsSpan(144), cpu.Vectors is null ? 0u : 1);
        var core = new ElfNote(ElfNote.Core, ElfNote.RegistersType, status);
        if (cpu.Vectors is null) return [core];
        var floating = new byte[260];
        for (var i = 0; i < 32; i++)
        {
            var vector = cpu.Vectors[i / 2];
            order.Put64(floating.AsSpan(8 * i), (ulong)(i % 2 == 0 ? vector : vector >> 64));
        }
        order.Put32(floating.AsSpan(256), cpu.FloatingPointStatus | cpu.FloatingPointControl);
        return [core, new(ElfNote.Linux, ElfNote.ArmFloatingPointType, floating)];
    }

    private static void Put128(WordOrder order, Span<byte> at, UInt128 value)
    {
        var (low, high) = ((ulong)value, (ulong)(value >> 64));
        order.Put64(at, order.IsBigEndian ? high : low);
        order.Put64(at[8..], order.IsBigEndian ? low : high);
    }
}
