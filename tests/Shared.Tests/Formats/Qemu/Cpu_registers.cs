using System.Globalization;
using System.Text.RegularExpressions;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>The registers in a stream are those the monitor shows of the same stopped guest.</summary>
public sealed partial class Cpu_registers
{
    [Theory]
    [InlineData("toy8")]
    [InlineData("pc-7.2")]
    public async Task Registers_are_those_the_monitor_shows(string name)
    {
        var (_, part) = await Vectors.ParseAsync(name);
        var expected = Vectors.Text(name + ".registers.txt").Split("CPU#", StringSplitOptions.RemoveEmptyEntries)
            .Where(t => t.Contains("EAX=", StringComparison.Ordinal));

        var actual = X86CpuState.ReadAll(part.Devices);

        Assert.All(expected.Zip(actual), pair => AssertShown(pair.First, pair.Second));
        Assert.Equal(name == "toy8" ? 1 : 2, actual.Count);
    }

    [Fact]
    public async Task A_cpu_without_a_description_is_read_by_the_known_layout()
    {
        var (_, part) = await Vectors.ParseAsync("pc-7.2");

        var bare = X86CpuState.ReadAll(part.Devices.Select(d => d with { Description = null }));

        foreach (var (a, b) in X86CpuState.ReadAll(part.Devices).Zip(bare))
        {
            Assert.Equal(Show(a), Show(b));
            Assert.True(b.Is64BitTarget);
        }
    }

    [Fact]
    public void An_unknown_cpu_is_refused()
    {
        Assert.Throws<SnapshotException>(() => X86CpuState.ReadAll([]));
        Assert.Throws<SnapshotException>(() => X86CpuState.ReadAll([new DeviceSection("cpu", 0, 12, 5, new byte[800])]));
        Assert.Throws<SnapshotException>(() => X86CpuState.ReadAll([new DeviceSection("cpu", 0, 11, 5, new byte[900])]));
    }

    private static string Show(X86CpuState cpu) => string.Join(' ', [
        cpu.Index, cpu.IsHalted, cpu.IsLongMode, .. cpu.Registers, cpu.Rip, cpu.Rflags, cpu.Hflags,
        .. cpu.Segments, cpu.Ldt, cpu.Tr, cpu.Gdt, cpu.Idt,
        cpu.Cr0, cpu.Cr2, cpu.Cr3, cpu.Cr4, .. cpu.DebugRegisters, cpu.Efer, cpu.KernelGsBase]);

    private static void AssertShown(string text, X86CpuState cpu)
    {
        var shown = Register().Matches(text).ToDictionary(m => m.Groups[1].Value, m => Hex(m.Groups[2].Value));
        string[] names = ["EAX", "ECX", "EDX", "EBX", "ESP", "EBP", "ESI", "EDI"];
        for (var i = 0; i < names.Length; i++) Assert.Equal(shown[names[i]], cpu.Registers[i]);
        Assert.Equal(
            [shown["EIP"], shown["EFL"], shown["CR0"], shown["CR2"], shown["CR3"], shown["CR4"], shown["DR6"], shown["DR7"],
                shown["EFER"], shown["HLT"]],
            [cpu.Rip, cpu.Rflags, cpu.Cr0, cpu.Cr2, cpu.Cr3, cpu.Cr4, cpu.DebugRegisters[6], cpu.DebugRegisters[7], cpu.Efer,
                cpu.IsHalted ? 1ul : 0]);
        var segments = SegmentLine().Matches(text).ToDictionary(
            m => m.Groups[1].Value, m => new X86Segment((uint)Hex(m.Groups[2].Value), Hex(m.Groups[3].Value),
                (uint)Hex(m.Groups[4].Value), (uint)Hex(m.Groups[5].Value)));
        string[] order = ["ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"];
        // The monitor leaves out what is no attribute; real mode has such bits.
        Assert.Equal(order.Select(n => segments[n]),
            cpu.Segments.Append(cpu.Ldt).Append(cpu.Tr).Select(s => s with { Flags = s.Flags & 0xffff00 }));
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"GDT=     {cpu.Gdt.Base:x8} {cpu.Gdt.Limit:x8}"), text,
            StringComparison.Ordinal);
        Assert.Contains(string.Create(CultureInfo.InvariantCulture, $"IDT=     {cpu.Idt.Base:x8} {cpu.Idt.Limit:x8}"), text,
            StringComparison.Ordinal);
    }

    private static ulong Hex(string text) => ulong.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\b(E[A-Z]{2}|CR\d|DR\d|EFER|HLT)=([0-9a-f]+)\b")]
    private static partial Regex Register();

    [GeneratedRegex(@"^([A-Z]{2,3}) *=([0-9a-f]{4}) ([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8})", RegexOptions.Multiline)]
    private static partial Regex SegmentLine();
}
