using System.Buffers.Binary;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Elf;

/// <summary>
/// Processors of a PC. Whether the notes are those of x86-64 or of i386 is decided by the first CPU's long mode, as readers take all notes to be of one
/// kind. The layouts are those of Linux' elf_prstatus and of QEMU's own note.
/// </summary>
public sealed class X86Processors : GuestProcessors
{
    private const int QemuNoteLength = 440;
    private const int QemuNoteVersion = 1;
    private const int Rax = 0, Rcx = 1, Rdx = 2, Rbx = 3, Rsp = 4, Rbp = 5, Rsi = 6, Rdi = 7;
    private const int Es = 0, Cs = 1, Ss = 2, Ds = 3, Fs = 4, Gs = 5;

    private readonly IReadOnlyList<X86CpuState> _cpus;

    /// <summary>Takes the processors of a guest.</summary>
    /// <param name="cpus">At least one, in order of their numbers.</param>
    public X86Processors(IReadOnlyList<X86CpuState> cpus)
    {
        ArgumentNullException.ThrowIfNull(cpus);
        _cpus = cpus;
    }

    /// <inheritdoc/>
    public override ElfMachine Machine => Is64Bit ? ElfMachine.X86Bits64 : ElfMachine.I386;

    /// <inheritdoc/>
    public override bool IsBigEndian => false;

    /// <inheritdoc/>
    public override int Count => _cpus.Count;

    /// <inheritdoc/>
    public override int BlockSize => 4096;

    /// <inheritdoc/>
    public override string MachineName => _cpus[0].Is64BitTarget ? "x86_64" : "i686";

    /// <inheritdoc/>
    protected override bool Is64Bit => _cpus[0].IsLongMode;

    /// <inheritdoc/>
    public override IReadOnlyList<ElfNote> Notes() =>
    [
        .. _cpus.Select(cpu => new ElfNote(ElfNote.Core, ElfNote.RegistersType, Is64Bit ? Status64(cpu) : Status32(cpu))),
        .. _cpus.Select(cpu => new ElfNote(ElfNote.Qemu, 0, QemuNote(cpu))),
    ];

    /// <inheritdoc/>
    public override ulong PhysicalBase(ElfNote? note, IReadOnlyList<DumpRange> memory) =>
        note is not null && VmCoreInfo.Number(note, "phys_base") is { } number ? (ulong)number : 0;

    /// <inheritdoc/>
    public override Task<IReadOnlyList<MemoryMapping>?> WalkAsync(IGuestMemory memory, CancellationToken cancellation) =>
        X86PageTables.WalkAsync(_cpus, memory, cancellation);

    private static byte[] Status64(X86CpuState cpu)
    {
        var note = new byte[336];
        BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(32), cpu.Index + 1);
        var r = cpu.Registers;
        var s = cpu.Segments;
        Put64(note, 112,
        [
            r[15], r[14], r[13], r[12], r[Rbp], r[Rbx], r[11], r[10], r[9], r[8], r[Rax], r[Rcx], r[Rdx], r[Rsi], r[Rdi], 0, cpu.Rip, s[Cs].Selector,
            cpu.Rflags, r[Rsp], s[Ss].Selector, s[Fs].Base, s[Gs].Base, s[Ds].Selector, s[Es].Selector, s[Fs].Selector, s[Gs].Selector,
        ]);
        return note;
    }

    private static byte[] Status32(X86CpuState cpu)
    {
        var note = new byte[144];
        BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(24), cpu.Index + 1);
        var r = cpu.Registers;
        var s = cpu.Segments;
        ulong[] values =
        [
            r[Rbx], r[Rcx], r[Rdx], r[Rsi], r[Rdi], r[Rbp], r[Rax], s[Ds].Selector, s[Es].Selector, s[Fs].Selector, s[Gs].Selector, 0, cpu.Rip,
            s[Cs].Selector, cpu.Rflags, r[Rsp], s[Ss].Selector,
        ];
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(72 + (4 * i)), (uint)values[i]);
        return note;
    }

    private static byte[] QemuNote(X86CpuState cpu)
    {
        var note = new byte[QemuNoteLength];
        BinaryPrimitives.WriteUInt32LittleEndian(note, QemuNoteVersion);
        BinaryPrimitives.WriteUInt32LittleEndian(note.AsSpan(4), QemuNoteLength);
        var r = cpu.Registers;
        Put64(note, 8, [r[Rax], r[Rbx], r[Rcx], r[Rdx], r[Rsi], r[Rdi], r[Rsp], r[Rbp], .. r.Skip(8), cpu.Rip, cpu.Rflags]);
        var s = cpu.Segments;
        X86Segment[] segments = [s[Cs], s[Ds], s[Es], s[Fs], s[Gs], s[Ss], cpu.Ldt, cpu.Tr, cpu.Gdt, cpu.Idt];
        for (var i = 0; i < segments.Length; i++)
        {
            var at = note.AsSpan(152 + (24 * i));
            BinaryPrimitives.WriteUInt32LittleEndian(at, segments[i].Selector);
            BinaryPrimitives.WriteUInt32LittleEndian(at[4..], segments[i].Limit);
            BinaryPrimitives.WriteUInt32LittleEndian(at[8..], segments[i].Flags);
            BinaryPrimitives.WriteUInt64LittleEndian(at[16..], segments[i].Base);
        }
        Put64(note, 392, [cpu.Cr0, 0, cpu.Cr2, cpu.Cr3, cpu.Cr4, cpu.KernelGsBase]);
        return note;
    }

    private static void Put64(byte[] note, int offset, ReadOnlySpan<ulong> values)
    {
        for (var i = 0; i < values.Length; i++) BinaryPrimitives.WriteUInt64LittleEndian(note.AsSpan(offset + (8 * i)), values[i]);
    }
}
