using System.Buffers.Binary;
using System.Globalization;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Workers.Export;

/// <summary>Explains the notes of a dump.</summary>
internal static class DumpNotes
{
    private static readonly string[] Registers64 =
    [
        "r15", "r14", "r13", "r12", "rbp", "rbx", "r11", "r10", "r9", "r8", "rax", "rcx", "rdx", "rsi", "rdi", "orig_rax", "rip", "cs", "rflags", "rsp", "ss",
        "fs_base", "gs_base", "ds", "es", "fs", "gs",
    ];

    private static readonly string[] Registers32 =
        ["ebx", "ecx", "edx", "esi", "edi", "ebp", "eax", "ds", "es", "fs", "gs", "orig_eax", "eip", "cs", "eflags", "esp", "ss"];

    private static readonly string[] Arm64Registers = [.. Enumerable.Range(0, 31).Select(i => $"x{i}"), "sp", "pc", "pstate"];

    private static readonly string[] Arm32Registers = [.. Enumerable.Range(0, 13).Select(i => $"r{i}"), "sp", "lr", "pc", "cpsr"];

    private static readonly string[] QemuRegisters =
        ["rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rsp", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "rip", "rflags"];

    private static readonly string[] QemuSegments = ["cs", "ds", "es", "fs", "gs", "ss", "ldt", "tr", "gdt", "idt"];

    private static readonly string[] QemuControl = ["cr0", "cr1", "cr2", "cr3", "cr4", "kernel_gs_base"];

    /// <summary>Every note as a unit: its fields are registers, or the lines of the kernel's text. The instance counts notes of one name and type.</summary>
    public static IReadOnlyList<InspectedUnit> Describe(IReadOnlyList<ElfNote> notes, bool isBigEndian)
    {
        Dictionary<(string, uint), uint> counts = [];
        return
        [
            .. notes.Select(note =>
            {
                var instance = counts.GetValueOrDefault((note.Name, note.Type));
                counts[(note.Name, note.Type)] = instance + 1;
                return new InspectedUnit(note.Name, instance, note.Type, note.Contents.Length, FieldsOf(note, isBigEndian));
            }),
        ];
    }

    /// <summary>What the notes say of the guest as a whole.</summary>
    public static IEnumerable<InspectedFact> Facts(IReadOnlyList<ElfNote> notes)
    {
        var cpus = notes.Count(note => note is { Name: ElfNote.Core, Type: ElfNote.RegistersType });
        yield return new("cpus", cpus.ToString(CultureInfo.InvariantCulture));
        if (notes.FirstOrDefault(note => note.Name == VmCoreInfo.NoteName) is not { } kernel) yield break;
        const string release = "OSRELEASE=";
        if (VmCoreInfo.Lines(kernel).FirstOrDefault(line => line.StartsWith(release, StringComparison.Ordinal)) is { } line)
            yield return new("kernel", line[release.Length..]);
    }

    /// <summary>What one should know of a dump with these notes.</summary>
    public static IEnumerable<string> Remarks(IReadOnlyList<ElfNote> notes)
    {
        yield return GuestCensus.NoChecksum;
        if (!notes.Any(note => note.Name == VmCoreInfo.NoteName))
            yield return "there is no VMCOREINFO note: makedumpfile needs one, and the guest has one when it has QEMU's vmcoreinfo device";
    }

    private static List<InspectedField> FieldsOf(ElfNote note, bool isBigEndian) => (note.Name, note.Type, note.Contents.Length) switch
    {
        (ElfNote.Core, ElfNote.RegistersType, 336) => Status(note.Contents.Span, isBigEndian, 32, 112, 8, Registers64),
        (ElfNote.Core, ElfNote.RegistersType, 144) => Status(note.Contents.Span, isBigEndian, 24, 72, 4, Registers32),
        (ElfNote.Core, ElfNote.RegistersType, 392) => Status(note.Contents.Span, isBigEndian, 32, 112, 8, Arm64Registers),
        (ElfNote.Core, ElfNote.RegistersType, 148) => Status(note.Contents.Span, isBigEndian, 24, 72, 4, Arm32Registers),
        (ElfNote.Core, ElfNote.FloatingPointType, 528) => Arm64FloatingPoint(note.Contents.Span, isBigEndian),
        (ElfNote.Linux, ElfNote.ArmFloatingPointType, 260) => Arm32FloatingPoint(note.Contents.Span, isBigEndian),
        (ElfNote.Qemu, 0, 432 or 440) when !isBigEndian => QemuState(note.Contents.Span),
        (VmCoreInfo.NoteName, 0, _) =>
            [.. VmCoreInfo.Lines(note).Select(line => line.Split('=', 2)).Select(parts => new InspectedField(parts[0], "text", parts.ElementAtOrDefault(1) ?? ""))],
        _ => [],
    };

    private static List<InspectedField> Status(ReadOnlySpan<byte> note, bool isBigEndian, int task, int registers, int width, string[] names)
    {
        List<InspectedField> fields = [new("pid", "int32", ((int)Number(note[task..], isBigEndian, 4)).ToString(CultureInfo.InvariantCulture))];
        for (var i = 0; i < names.Length; i++) fields.Add(Register(names[i], Number(note[(registers + (i * width))..], isBigEndian, width), width));
        return fields;
    }

    private static List<InspectedField> Arm64FloatingPoint(ReadOnlySpan<byte> note, bool isBigEndian)
    {
        List<InspectedField> fields = [];
        for (var i = 0; i < 32; i++)
        {
            var (first, second) = (Number(note[(16 * i)..], isBigEndian, 8), Number(note[((16 * i) + 8)..], isBigEndian, 8));
            fields.Add(new($"v{i}", "uint128", "0x" + (isBigEndian ? new UInt128(first, second) : new UInt128(second, first)).ToString("x", CultureInfo.InvariantCulture)));
        }
        fields.Add(Register("fpsr", Number(note[512..], isBigEndian, 4), 4));
        fields.Add(Register("fpcr", Number(note[516..], isBigEndian, 4), 4));
        return fields;
    }

    private static List<InspectedField> Arm32FloatingPoint(ReadOnlySpan<byte> note, bool isBigEndian)
    {
        List<InspectedField> fields = [];
        for (var i = 0; i < 32; i++) fields.Add(Register($"d{i}", Number(note[(8 * i)..], isBigEndian, 8), 8));
        fields.Add(Register("fpscr", Number(note[256..], isBigEndian, 4), 4));
        return fields;
    }

    private static ulong Number(ReadOnlySpan<byte> at, bool isBigEndian, int width) => (isBigEndian, width) switch
    {
        (false, 8) => BinaryPrimitives.ReadUInt64LittleEndian(at),
        (true, 8) => BinaryPrimitives.ReadUInt64BigEndian(at),
        (false, _) => BinaryPrimitives.ReadUInt32LittleEndian(at),
        _ => BinaryPrimitives.ReadUInt32BigEndian(at),
    };

    private static List<InspectedField> QemuState(ReadOnlySpan<byte> note)
    {
        const int registers = 8, segments = 152, segmentLength = 24, control = 392;
        List<InspectedField> fields = [];
        for (var i = 0; i < QemuRegisters.Length; i++) fields.Add(Register(QemuRegisters[i], BinaryPrimitives.ReadUInt64LittleEndian(note[(registers + (8 * i))..]), 8));
        for (var i = 0; i < QemuSegments.Length; i++)
        {
            var at = note[(segments + (segmentLength * i))..];
            fields.Add(Register($"{QemuSegments[i]}.selector", BinaryPrimitives.ReadUInt32LittleEndian(at), 4));
            fields.Add(Register($"{QemuSegments[i]}.limit", BinaryPrimitives.ReadUInt32LittleEndian(at[4..]), 4));
            fields.Add(Register($"{QemuSegments[i]}.flags", BinaryPrimitives.ReadUInt32LittleEndian(at[8..]), 4));
            fields.Add(Register($"{QemuSegments[i]}.base", BinaryPrimitives.ReadUInt64LittleEndian(at[16..]), 8));
        }
        // The shorter note of the first QEMUs ends before the last of these.
        for (var i = 0; control + (8 * i) < note.Length; i++) fields.Add(Register(QemuControl[i], BinaryPrimitives.ReadUInt64LittleEndian(note[(control + (8 * i))..]), 8));
        return fields;
    }

    private static InspectedField Register(string name, ulong value, int width) =>
        new(name, width == 8 ? "uint64" : "uint32", "0x" + value.ToString("x", CultureInfo.InvariantCulture));
}
