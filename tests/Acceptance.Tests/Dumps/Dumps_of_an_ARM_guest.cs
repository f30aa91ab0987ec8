using System.Text;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Dumps;

/// <summary>Dumps of a checkpoint of an aarch64 guest against those QEMU made of the very guest, and in the hands of debuggers.</summary>
public sealed partial class Dumps_of_an_ARM_guest(ArmGuest guest) : IClassFixture<ArmGuest>
{
    private const int MachineName = 272;

    [Theory]
    [InlineData("elf")]
    [InlineData("imported.elf")]
    [InlineData("restored.elf")]
    public void A_core_shows_the_machine_QEMUs_core_shows(string name)
    {
        using var expected = GuestDump.Open(guest.Qemu("elf"));
        using var actual = GuestDump.Open(guest.Ours(name));

        Assert.Empty(GuestDump.Differences(expected, actual));
        Assert.Equal(["CORE 1", "CORE 2", "CORE 1", "CORE 2"], actual.Notes.Select(note => $"{note.Name} {note.Type}"));
        Assert.Equal([(0x4000_0000ul, 70L << 20)], actual.Segments.Select(segment => (segment.Address, segment.Length)));
    }

    [Fact]
    public async Task A_kdump_file_is_QEMUs_but_for_the_name_of_the_machine()
    {
        var reassembled = guest.Scratch("reassembled");
        var made = await DumpedGuest.JudgeAsync("makedumpfile", ["-R", reassembled], guest.Qemu("kdump"));
        Assert.True(made.ExitCode == 0, made.Error);
        var (expected, actual) = (File.ReadAllBytes(reassembled), File.ReadAllBytes(guest.Ours("plain")));

        Assert.Equal("aarch64\0", Encoding.ASCII.GetString(actual, MachineName, 8));
        "aarch64\0"u8.CopyTo(expected.AsSpan(MachineName));

        Assert.Equal(expected.Length, actual.Length);
        Assert.Equal(expected.Length, expected.AsSpan().CommonPrefixLength(actual));
    }

    [Fact]
    public async Task Readelf_has_nothing_to_object_and_gdb_shows_the_registers_of_every_processor()
    {
        using var core = GuestDump.Open(guest.Qemu("elf"));
        // The program counter is the 33rd of the registers at octet 112 of a CORE note of type 1.
        var expected = core.Notes.Where(note => note is { Name: "CORE", Type: 1 }).Select(note => BitConverter.ToUInt64(note.Contents, 112 + (8 * 32)));

        var read = await DumpedGuest.JudgeAsync("readelf", ["-a", guest.Ours("elf")]);
        var told = await DumpedGuest.JudgeAsync(
            "gdb-multiarch", ["-nx", "-batch", "-ex", "set architecture aarch64", "-c", guest.Ours("elf"), "-ex", "thread 1", "-ex", "p/x $pc", "-ex", "p/x $v7.q.u[0]", "-ex", "thread 2", "-ex", "p/x $pc"]);

        Assert.Equal((0, ""), (read.ExitCode, read.Error));
        Assert.Contains("AArch64", read.Output, StringComparison.Ordinal);
        Assert.Equal(0, told.ExitCode);
        var values = Value().Matches(told.Output).Select(match => match.Groups[1].Value).ToList();
        Assert.Equal([$"0x{expected.First():x}", "0x123456789abcdef0123456789abcdef", $"0x{expected.Last():x}"], values);
    }

    [Fact]
    public void Inspect_explains_the_registers()
    {
        var units = guest.Inspected!["units"]!.AsArray();

        Assert.Equal("aarch64", Fact("machine"));
        Assert.Equal("65536", Fact("page size"));
        Assert.Equal("1073741824", Fact("physical base"));
        Assert.Equal("0xa5a500000000001e", Field(units[0]!, "x30"));
        Assert.Equal("0x40100000", Field(units[0]!, "sp"));
        Assert.Equal("0xf8000015", Field(units[1]!, "fpsr"));
        Assert.Equal("0x10", Field(units[2]!, "pstate"));

        string Fact(string name) => (string)guest.Inspected["facts"]!.AsArray().Single(fact => (string)fact!["name"]! == name)!["value"]!;
        static string Field(JsonNode unit, string name) => (string)unit["fields"]!.AsArray().Single(field => (string)field!["name"]! == name)!["value"]!;
    }

    [Fact]
    public void Virtual_addresses_are_refused_with_what_to_do_instead()
    {
        Assert.Equal(6, guest.Paging!.ExitCode);
        Assert.Contains("export without --paging", guest.Paging.Error, StringComparison.Ordinal);
        Assert.False(File.Exists(guest.Scratch("paging")));
    }

    [GeneratedRegex(@"^\$\d+ = (0x[0-9a-f]+)$", RegexOptions.Multiline)]
    private static partial Regex Value();
}
