using System.Text.RegularExpressions;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Dumps;

/// <summary>Dumps of a checkpoint against those QEMU made of the very guest, and in the hands of the programs that dumps are for.</summary>
public sealed partial class Dumps_judged_by_real_programs(DumpedGuest guest) : IClassFixture<DumpedGuest>
{
    /// <summary>Where phys_base is in a kdump file. QEMU reads the kernel's decimal number as a hexadecimal one.</summary>
    private const int PhysicalBase = 4096, PhysicalBaseLength = 8;

    [Theory]
    [InlineData("elf")]
    [InlineData("part.elf")]
    public void A_core_shows_the_machine_QEMUs_core_shows(string name)
    {
        using var expected = GuestDump.Open(guest.Qemu(name));
        using var actual = GuestDump.Open(guest.Ours(name));

        Assert.Empty(GuestDump.Differences(expected, actual));
        Assert.Equal(["CORE", "CORE", "QEMU", "QEMU", "VMCOREINFO"], actual.Notes.Select(note => note.Name));
    }

    [Fact]
    public void A_core_with_paging_maps_what_QEMUs_maps()
    {
        using var core = GuestDump.Open(guest.Qemu("elf"));
        List<(ulong, ulong)> memory = [.. core.Segments.Select(segment => (segment.Address, (ulong)segment.Length))];
        // QEMU gives addresses of the lower half the sign of the upper one: bits 48 to 63 are to be copies of bit 47.
        var expected = MappedPages.Read(guest.Qemu("paging.elf"), memory, address => (ulong)((long)(address << 16) >> 16));
        var actual = MappedPages.Read(guest.Ours("paging.elf"), memory, address => address);

        Assert.InRange(expected.Count, 20_000, 1_000_000);
        Assert.True(expected.SequenceEqual(actual), $"{expected.Count} pages became {actual.Count}: {string.Join(' ', expected.Except(actual).Concat(actual.Except(expected)).Take(4))}");
    }

    [Fact]
    public async Task A_kdump_file_is_QEMUs_but_for_the_octets_QEMU_gets_wrong()
    {
        var reassembled = guest.Scratch("reassembled");
        var made = await DumpedGuest.JudgeAsync("makedumpfile", ["-R", reassembled], guest.Qemu("kdump"));
        Assert.True(made.ExitCode == 0, made.Error);

        var (expected, actual) = (File.ReadAllBytes(reassembled), File.ReadAllBytes(guest.Ours("plain")));

        var text = await DumpedGuest.JudgeAsync("strings", ["-n", "12", guest.Ours("elf")]);
        var number = long.Parse(PhysicalBaseLine().Match(text.Output).Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture);
        Assert.Equal(number, BitConverter.ToInt64(actual, PhysicalBase));
        actual.AsSpan(PhysicalBase, PhysicalBaseLength).CopyTo(expected.AsSpan(PhysicalBase));
        Assert.Equal(expected.Length, actual.Length);
        Assert.Equal(expected.Length, expected.AsSpan().CommonPrefixLength(actual));
    }

    [Fact]
    public async Task Makedumpfile_reassembles_a_flattened_file_to_the_plain_one()
    {
        var reassembled = guest.Scratch("ours.reassembled");
        var made = await DumpedGuest.JudgeAsync("makedumpfile", ["-R", reassembled], guest.Ours("kdump-zlib"));

        Assert.True(made.ExitCode == 0, made.Error);
        Assert.True(File.ReadAllBytes(guest.Ours("plain")).AsSpan().SequenceEqual(File.ReadAllBytes(reassembled)));
    }

    [Theory]
    [InlineData("elf", false)]
    [InlineData("plain", false)]
    [InlineData("kdump-lzo", true)]
    public async Task Makedumpfile_finds_the_kernels_log(string name, bool isFlattened)
    {
        var (dump, log) = (guest.Ours(name), guest.Scratch($"{name}.log"));
        if (isFlattened)
        {
            dump = guest.Scratch($"{name}.plain");
            await DumpedGuest.JudgeAsync("makedumpfile", ["-R", dump], guest.Ours(name));
        }
        var made = await DumpedGuest.JudgeAsync("makedumpfile", ["--dump-dmesg", dump, log]);

        Assert.True(made.ExitCode == 0, $"{made.Output}{made.Error}");
        Assert.Contains("Linux version 6.1", File.ReadAllText(log), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("elf")]
    [InlineData("plain")]
    [InlineData("kdump-zlib")]
    [InlineData("kdump-lzo")]
    [InlineData("kdump-snappy")]
    [InlineData("kdump-zstd")]
    public async Task Crash_tells_the_kernels_release(string name)
    {
        var told = await DumpedGuest.JudgeAsync("crash", ["--osrelease", guest.Ours(name)]);

        Assert.True(told.ExitCode == 0, $"{told.Output}{told.Error}");
        Assert.Matches(@"^6\.1\.\S+-cloud-amd64\s*$", told.Output);
    }

    [Theory]
    [InlineData("elf")]
    [InlineData("paging.elf")]
    [InlineData("part.elf")]
    public async Task Readelf_has_nothing_to_object(string name)
    {
        var told = await DumpedGuest.JudgeAsync("readelf", ["-a", guest.Ours(name)]);

        Assert.Equal((0, ""), (told.ExitCode, told.Error));
        Assert.Contains("CORE (Core file)", told.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Gdb_shows_the_registers_of_every_processor()
    {
        using var core = GuestDump.Open(guest.Qemu("elf"));
        // Register rip is the 17th of those at octet 112 of a CORE note.
        var expected = core.Notes.Where(note => note.Name == "CORE").Select(note => BitConverter.ToUInt64(note.Contents, 112 + (8 * 16)));

        var told = await DumpedGuest.JudgeAsync(
            "gdb", ["-nx", "-batch", "-c", guest.Ours("elf"), "-ex", "thread 1", "-ex", "p/x $rip", "-ex", "thread 2", "-ex", "p/x $rip"]);

        Assert.Equal(0, told.ExitCode);
        Assert.Equal(expected.Select(value => $"0x{value:x}"), RegisterValue().Matches(told.Output).Select(match => match.Groups[1].Value));
    }

    [Fact]
    public async Task Gdb_reads_the_kernels_memory_by_its_virtual_addresses()
    {
        var text = await DumpedGuest.JudgeAsync("strings", ["-n", "12", guest.Ours("elf")]);
        var address = UtsName().Match(text.Output).Groups[1].Value;

        var told = await DumpedGuest.JudgeAsync("gdb", ["-nx", "-batch", "-c", guest.Ours("paging.elf"), "-ex", $"x/s 0x{address}"]);

        Assert.Contains("\"Linux\"", told.Output, StringComparison.Ordinal);
    }

    [GeneratedRegex(@"^NUMBER\(phys_base\)=(-?\d+)$", RegexOptions.Multiline)]
    private static partial Regex PhysicalBaseLine();

    [GeneratedRegex(@"^SYMBOL\(init_uts_ns\)=([0-9a-f]+)$", RegexOptions.Multiline)]
    private static partial Regex UtsName();

    [GeneratedRegex(@"^\$\d+ = (0x[0-9a-f]+)$", RegexOptions.Multiline)]
    private static partial Regex RegisterValue();
}
