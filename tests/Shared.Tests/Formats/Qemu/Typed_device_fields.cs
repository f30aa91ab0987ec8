using System.Text;
using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;
using static Cutpoint.Shared.Tests.Formats.Qemu.StreamBuilder;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Fields by name, with offsets and values, as the description lays them out.</summary>
public sealed class Typed_device_fields
{
    [Fact]
    public async Task Fields_of_a_cpu_are_where_all_versions_have_them()
    {
        foreach (var name in new[] { "toy8", "q35-devices-10.0" })
        {
            var (_, part) = await Vectors.ParseAsync(name);
            var cpu = DeviceFields.Read(part.Devices.Single(d => d.Name == "cpu"));

            Assert.Equal(
                [0, 24, 128, 136, 144, 156, 256, 456, 552, 816, 856],
                new[]
                {
                    "env.regs[0]", "env.regs[3]", "env.eip", "env.eflags", "env.hflags", "env.fpregs[0].tmp.tmp_mant",
                    "env.segs[1].selector", "env.cr[0]", "env.a20_mask", "env.efer", "env.kernelgsbase",
                }.Select(p => cpu.TryGet(p, out var field) ? field.Offset : -1));
            Assert.False(cpu.TryGet("env.regs[16]", out _));
            Assert.True(cpu.TryGet("env.a20_mask", out var mask));
            Assert.Equal(("int32", 4, -1L, "-1"), (mask.Type, mask.Size, mask.ToInt64(), mask.ToText()));
        }
    }

    [Fact]
    public async Task Subsections_are_part_of_the_path()
    {
        var (_, part) = await Vectors.ParseAsync("toy8");
        var cpu = DeviceFields.Read(part.Devices.Single(d => d.Name == "cpu"));

        Assert.True(cpu.TryGet("cpu/msr_smi_count.env.msr_smi_count", out var count));
        Assert.Equal(1874, count.Offset);
        Assert.Equal(8, count.Size);
    }

    [Theory]
    [InlineData("dirty-bitmap-7.2")]
    [InlineData("early-10.0")]
    public async Task Elements_described_one_by_one_are_numbered_even_where_the_last_number_is_left_off(string name)
    {
        var (_, part) = await Vectors.ParseAsync(name);
        var ide = DeviceFields.Read(part.Devices.Single(d => d.Name.EndsWith("/ide", StringComparison.Ordinal)));

        Assert.Equal(["bmdma[0]", "bmdma[1]"],
            ide.Select(f => f.Path.Split('.')[0]).Where(p => p.StartsWith("bmdma", StringComparison.Ordinal)).Distinct());
        Assert.Contains(ide, f => f.Path.StartsWith("bus[1].", StringComparison.Ordinal));
    }

    [Fact]
    public void Runs_of_null_and_other_pointers_are_one_array()
    {
        var fields = Read([7, 0, 0x30, 8, 0], Field("ptr", "uint16", 2), Field("ptr", "nullptr", 1), Field("ptr", "uint16", 2));

        Assert.Equal(["ptr[0] uint16 0", "ptr[1] nullptr 2", "ptr[2] uint16 3"], fields.Select(f => $"{f.Path} {f.Type} {f.Offset}"));
    }

    [Fact]
    public void Values_follow_their_type()
    {
        var fields = Read(
            [1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe, 0xab, 0xcd],
            Field("on", "bool", 1), Field("timer", "timer", 8), Field("le", "int32 le", 4), Field("u", "uint32 equal", 4),
            Field("i", "int8", 1), Field("raw", "buffer", 2));

        Assert.Equal(["true", "not armed", "-1", "0xffffffff", "-2", "abcd"], fields.Select(f => f.ToText()));
        Assert.Throws<InvalidOperationException>(() => fields[^1].ToUInt64());
    }

    [Fact]
    public void Arrays_of_octets_stay_whole_and_others_are_taken_apart()
    {
        var fields = Read(
            [1, 2, 3, 0, 4, 0, 5], Array("queue", "uint8", 1, 3), Array("words", "uint16", 2, 2));

        Assert.Equal(["queue 010203", "words[0] 0x4", "words[1] 0x5"], fields.Select(f => $"{f.Path} {f.ToText()}"));
    }

    [Fact]
    public void A_structure_of_old_with_null_pointers_inside_stays_whole()
    {
        // Three pointers, two of them null, described by the first alone: the structure around knows its true size.
        var array = Struct("p", 4, Field("v", "uint32", 4), 3);
        var fields = Read([0, 0, 0, 1, 0x30, 0x30, 9], Struct("outer", 6, array), Field("last", "uint8", 1));

        Assert.Equal(["outer 000000013030", "last 0x9"], fields.Select(f => $"{f.Path} {f.ToText()}"));
    }

    [Fact]
    public void A_device_of_old_with_null_pointers_ends_where_the_next_one_begins()
    {
        var wrong = Describe("a", 1, Struct("p", 4, Field("v", "uint32", 4), 3));
        var right = Describe("b", 2, Field("x", "uint8", 1));
        var parser = new QemuStreamParser(new CollectedMemory());
        // The payload even holds what looks like its footer.
        parser.Consume(new StreamBuilder().Memory(1).Word(0, 2).Name("ram0").U8(0).EndRound()
            .Device(7, "a", 1, [0, 0, 0, 1, 0x30, 0x30, 0x7e, 0, 0, 0, 7]).Device(8, "b", 2, [3])
            .Device(9, "a", 1, [0, 0, 0, 1, 0x30, 0x30])
            .End($"{wrong},{right},{wrong}").ToArray());

        var devices = parser.Complete().Devices;

        Assert.Equal([11, 1, 6], devices.Select(d => d.Payload.Length));
        Assert.Equal([false, true, false], devices.Select(d => d.IsDescribed));
        Assert.Equal("data", Assert.Single(DeviceFields.Read(devices[0])).Path);
    }

    [Fact]
    public void Repeated_and_unknown_keys_are_taken_as_QEMU_means_them()
    {
        var list = """
            {"name":"list","type":"qtailq","size":7,"vmsd_name":"e","version":1,"fields":[{"name":"v","type":"uint16","size":2}],
             "vmsd_name":"e","version":1,"fields":[{"name":"v","type":"uint16","size":2}],"news":{"a":[1,{}]}}
            """;
        var fields = Read([1, 0, 5, 1, 0, 6, 0], list);

        Assert.Equal(("list", "qtailq", 7), (fields[0].Path, fields[0].Type, fields[0].Size));
    }

    [Fact]
    public void A_stored_description_of_one_device_reads_as_the_whole_one_did()
    {
        var description = VmDescription.Parse(
            Encoding.UTF8.GetBytes($$"""{"page_size":4096,"devices":[ {{Describe("d", 3, Field("x", "uint16", 2))}} ]}"""));
        var device = description.Devices[0];

        var again = DeviceDescription.Parse(device.Json.ToArray());

        Assert.Equal(("d", 0u, "d", 3, 2L), (again.Name, again.Instance, again.State.Name, again.State.Version, again.State.WireLength));
    }

    [Theory]
    [InlineData("{", "not JSON")]
    [InlineData("[]", "expected an object")]
    [InlineData("{}", "no page_size")]
    [InlineData("""{"page_size":4096}""", "no devices")]
    [InlineData("""{"page_size":5000,"devices":[]}""", "power of two")]
    [InlineData("""{"page_size":4096,"devices":{}}""", "expected an array")]
    [InlineData("""{"page_size":4096,"devices":[{}]}""", "without a name")]
    [InlineData("""{"page_size":4096,"devices":[{"name":"a","fields":[{"name":"x"}]}]}""", "without name, type or size")]
    [InlineData("""{"page_size":4096,"devices":[{"name":"a","fields":[{"name":"x","type":"t","size":-1}]}]}""", "number from 0")]
    [InlineData("""{"page_size":4096,"devices":[{"name":7}]}""", "expected a string")]
    [InlineData("""{"page_size":4096,"devices":[{"name":"a","instance_id":4294967296}]}""", "number from 0")]
    [InlineData("""{"page_size":4096,"devices":[]} x""", "not JSON")]
    public void A_wrong_description_is_refused(string json, string reason)
    {
        var error = Assert.Throws<MalformedInputException>(() => VmDescription.Parse(Encoding.UTF8.GetBytes(json), 1000));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.InRange(error.Offset, 1000, 1000 + json.Length);
    }

    [Fact]
    public void Descriptions_that_promise_much_for_little_are_refused_in_time()
    {
        Assert.Single(Read([], Struct("n", 0, "", int.MaxValue)));

        var none = string.Join(',', Enumerable.Repeat(Array("n", "uint16", 2, 0), 10_000));
        var many = Struct("m", 1, none + "," + Field("o", "uint8", 1), 100_000);
        Assert.Contains("too many", Assert.Throws<MalformedInputException>(() => Read(new byte[100_000], many)).Message,
            StringComparison.Ordinal);

        var deep = string.Concat(
            Enumerable.Repeat("""{"name":"d","type":"struct","size":1,"struct":{"vmsd_name":"s","version":1,"fields":[""", 100_000));
        Assert.Contains("not JSON", Assert.Throws<MalformedInputException>(() => Read([1], deep)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_structure_whose_fields_do_not_add_up_is_refused()
    {
        var field = Struct("s", 3, Field("v", "uint32", 4));

        Assert.Contains("s has 3 octets", Assert.Throws<MalformedInputException>(() => Read(new byte[3], field)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_subsection_that_is_not_there_is_refused()
    {
        var json = """
            {"name":"d","instance_id":0,"vmsd_name":"d","version":1,"fields":[],"subsections":[{"vmsd_name":"d/s","version":2,"fields":[]}]}
            """;
        var description = DeviceDescription.Parse(Encoding.UTF8.GetBytes(json));

        DeviceFields Of(params byte[] payload) => DeviceFields.Read(new DeviceSection("d", 0, 1, 5, payload) { Description = description });

        Assert.Empty(Of([5, 3, (byte)'d', (byte)'/', (byte)'s', 0, 0, 0, 2]));
        Assert.Throws<MalformedInputException>(() => Of([5, 3, (byte)'d', (byte)'/', (byte)'x', 0, 0, 0, 2]));
        Assert.Throws<MalformedInputException>(() => Of([5, 3, (byte)'d', (byte)'/', (byte)'s', 0, 0, 0, 3]));
    }

    private static DeviceFields Read(byte[] payload, params string[] fields) => DeviceFields.Read(
        new DeviceSection("d", 0, 1, 5, payload)
        {
            Description = DeviceDescription.Parse(Encoding.UTF8.GetBytes(Describe("d", 1, fields))),
        });
}
