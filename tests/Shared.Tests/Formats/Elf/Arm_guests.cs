using System.Buffers;
using System.Buffers.Binary;
using System.Globalization;
using System.Text.RegularExpressions;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;
using Cutpoint.Formats.Qemu;
using Cutpoint.Shared.Tests.Formats.Kdump;
using Cutpoint.Shared.Tests.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Elf;

/// <summary>Guests of the ARM machine virt against the monitor and the dumps of QEMU of the same stopped guests: one of 64 bits, of which one CPU runs 32-bit code, and one of 32.</summary>
public sealed partial class Arm_guests
{
    private const int RunsWide = 0, RunsNarrow = 1;

    [Fact]
    public async Task Registers_of_a_CPU_in_64_bit_state_are_those_the_monitor_shows()
    {
        var (cpu, shown) = await CpuAsync("virt-7.2", RunsWide);

        Assert.Equal(Enumerable.Range(0, 31).Select(i => shown[$"X{i:d2}"]), cpu.Registers);
        Assert.Equal((shown["SP"], shown["PC"], shown["PSTATE"]), (cpu.StackPointer, cpu.ProgramCounter, cpu.Status));
        Assert.Equal((shown["FPSR"], shown["FPCR"]), (cpu.FloatingPointStatus, cpu.FloatingPointControl));
        Assert.Equal((new UInt128(0x0123456789abcdef, 0x0123456789abcdef), new UInt128(0, 0x7777777777777777)), (cpu.Vectors![7], cpu.Vectors[15]));
        Assert.True(cpu.Is64Bit);
        Assert.False(cpu.IsBigEndian);
    }

    [Fact]
    public async Task A_CPU_in_32_bit_state_shows_its_registers_where_the_architecture_maps_them()
    {
        var (cpu, shown) = await CpuAsync("virt-7.2", RunsNarrow);

        Assert.Equal(Enumerable.Range(0, 15).Select(i => shown[$"R{i:d2}"]), cpu.Registers.Take(15));
        // What the program put into x15 to x30 before it went on in 32-bit state are the registers of the other modes now.
        Assert.Equal(Enumerable.Range(15, 16).Select(i => 0xb6b60000ul + (ulong)i), cpu.Registers.Skip(15));
        Assert.Equal((shown["R15"], shown["PSR"]), (cpu.ProgramCounter, cpu.Status));
        Assert.True(cpu.Is64Bit);
    }

    [Fact]
    public async Task Registers_of_a_32_bit_CPU_are_those_the_monitor_shows()
    {
        var (cpu, shown) = await CpuAsync("virt32-7.2", 0);

        Assert.Equal(Enumerable.Range(0, 16).Select(i => (uint)shown[$"R{i:d2}"]), cpu.ModeRegisters);
        Assert.Equal((shown["PSR"], shown["FPSCR"]), (cpu.Status, cpu.FloatingPointStatus | cpu.FloatingPointControl));
        Assert.Equal(new UInt128(shown["d01"], shown["d00"]), cpu.Vectors![0]);
        Assert.False(cpu.Is64Bit);
    }

    [Fact]
    public async Task A_core_of_a_32_bit_guest_has_QEMUs_memory_and_notes()
    {
        var guest = await StreamGuest.OfAsync("virt32-7.2");
        var output = new ArrayBufferWriter<byte>();
        var layout = new ElfCoreLayout(guest.Processors.Target(guest.Memory), guest.Notes, guest.Memory, MemoryMapping.Identity(guest.Memory));
        layout.WriteHead(output);
        foreach (var range in guest.Memory) output.Write(guest.Contents(range));
        var (ours, qemus) = (output.WrittenSpan.ToArray(), Vectors.Unpack("virt32-7.2.elf.gz"));

        var (core, expected) = (await ElfCoreReader.ReadAsync(new MemoryStream(ours), default), await ElfCoreReader.ReadAsync(new MemoryStream(qemus), default));

        Assert.Equal(new ElfTarget(ElfMachine.Arm, ElfClass.Bits32, false), core.Target);
        Assert.Equal(expected.Target, core.Target);
        Assert.Equal(expected.Notes.Select(Show), core.Notes.Select(Show));
        Assert.Equal(["CORE 1", "LINUX 1024"], core.Notes.Select(note => $"{note.Name} {note.Type}"));
        var (segment, same) = (Assert.Single(core.Segments), Assert.Single(expected.Segments));
        Assert.Equal(same with { FileOffset = 0 }, segment with { FileOffset = 0 });
        Assert.True(qemus.AsSpan((int)same.FileOffset, (int)same.FileLength).SequenceEqual(ours.AsSpan((int)segment.FileOffset, (int)segment.FileLength)));
    }

    [Theory]
    [InlineData("virt-7.2", "aarch64", 424, 65536)]
    [InlineData("virt32-7.2", "armv7l", 412, 4096)]
    public async Task A_kdump_file_is_QEMUs_but_for_the_name_of_the_machine(string name, string machine, int statusAt, int blockSize)
    {
        var guest = await StreamGuest.OfAsync(name);
        var ours = KdumpBuilder.Plain(
            guest.Processors, guest.GuestNote, guest.Memory, KdumpCompression.Zlib, address => guest.Contents(new DumpRange(address, (ulong)blockSize)));
        using var qemus = await FlattenedStream.OpenAsync(new MemoryStream(Vectors.Unpack("../../Kdump/vectors/" + name + ".kdump-zlib.gz")), default);
        var expected = new byte[qemus.Length];
        await qemus.ReadExactlyAsync(expected);

        // QEMU has names of PCs only.
        "Unknown\0"u8.CopyTo(ours.AsSpan(272));

        Assert.Equal(expected, ours);
        Assert.Equal((1, blockSize), (BinaryPrimitives.ReadInt32LittleEndian(ours.AsSpan(statusAt)), BinaryPrimitives.ReadInt32LittleEndian(ours.AsSpan(statusAt + 4))));
        Assert.Equal(machine, guest.Processors.MachineName);
    }

    [Fact]
    public async Task The_kernel_lies_where_its_note_says_or_where_the_memory_begins()
    {
        var guest = await StreamGuest.OfAsync("virt-7.2");

        Assert.Equal(0x40000000ul, guest.Processors.PhysicalBase(null, guest.Memory));
        Assert.Equal(0x48000000ul, guest.Processors.PhysicalBase(new ElfNote(VmCoreInfo.NoteName, 0, "NUMBER(PHYS_OFFSET)=0x48000000\n"u8.ToArray()), guest.Memory));
    }

    [Fact]
    public async Task Fields_of_a_big_endian_guest_are_big_endian()
    {
        var (_, part) = await Vectors.ParseAsync("virt-7.2");
        var devices = part.Devices.Select(device => device.Name == "cpu" ? WithBigEndianData(device) : device).ToList();

        var processors = GuestProcessors.Read(devices);
        var (status, floating) = (processors.Notes()[0].Contents, processors.Notes()[1].Contents);

        Assert.True(processors.Target([]).IsBigEndian);
        Assert.Equal(1u, BinaryPrimitives.ReadUInt32BigEndian(status.Span[32..]));
        Assert.Equal(0xa5a5000000000001, BinaryPrimitives.ReadUInt64BigEndian(status.Span[120..]));
        Assert.Equal(new UInt128(0, 0x7777777777777777), BinaryPrimitives.ReadUInt128BigEndian(floating.Span[(15 * 16)..]));
    }

    [Fact]
    public async Task A_CPU_that_lacks_what_a_dump_shows_is_refused()
    {
        var (_, part) = await Vectors.ParseAsync("virt-7.2");
        var cpu = part.Devices.First(device => device.Name == "cpu");

        var error = Assert.Throws<SnapshotException>(() => ArmCpuState.ReadAll([cpu with { Description = null }]));
        Assert.Contains("no cpreg_vmstate_array_len", error.Message, StringComparison.Ordinal);
        Assert.Throws<SnapshotException>(() => ArmCpuState.ReadAll([]));
    }

    private static DeviceSection WithBigEndianData(DeviceSection cpu)
    {
        var payload = cpu.Payload.ToArray();
        var fields = DeviceFields.Read(cpu);
        var index = fields.First(field => field is { IsInteger: true } && field.Path.StartsWith("cpreg_vmstate_indexes", StringComparison.Ordinal) && field.ToUInt64() == 0x603000000013c080).Path;
        Assert.True(fields.TryGet(index.Replace("indexes", "values", StringComparison.Ordinal), out var control));
        // SCTLR_EL1.EE
        payload[control.Offset + 4] |= 0x02;
        return cpu with { Payload = payload };
    }

    private static async Task<(ArmCpuState Cpu, Dictionary<string, ulong> Shown)> CpuAsync(string name, int number)
    {
        var (_, part) = await Vectors.ParseAsync(name);
        var text = Vectors.Text(name + ".registers.txt").Split("CPU#", StringSplitOptions.RemoveEmptyEntries).Single(text => text.StartsWith($"{number}\n", StringComparison.Ordinal));
        var shown = Register().Matches(text).ToDictionary(match => match.Groups[1].Value, match => ulong.Parse(match.Groups[2].Value, NumberStyles.HexNumber, CultureInfo.InvariantCulture));
        return (ArmCpuState.ReadAll(part.Devices)[number], shown);
    }

    private static string Show(ElfNote note) => $"{note.Name} {note.Type} {Convert.ToHexString(note.Contents.Span)}";

    [GeneratedRegex(@"\b([A-Zd][A-Z]*\d*)[:=] ?([0-9a-f]+)\b")]
    private static partial Regex Register();
}
