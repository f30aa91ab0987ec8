using System.Buffers;
using System.Text;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Formats.Qemu;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Shared.Tests.Formats.Ber;

public class DeviceStateTreeTests
{
    private static readonly (string Type, int Size)[] _leaves =
    [
        ("bool", 1), ("int8", 1), ("int16", 2), ("int32", 4), ("int32 le", 4), ("int64", 8), ("uint8", 1), ("uint16", 2), ("uint32", 4),
        ("uint32 equal", 4), ("uint64", 8), ("timer", 8), ("CPU_Double_U", 8), ("buffer", 13), ("buffer", 0), ("nullptr", 1), ("uint32", 1),
        ("virtio", 300), ("unknown", 1),
    ];

    [Fact]
    public void Octets_of_any_described_device_come_back()
    {
        var devices = from state in State(3)
                      from seed in Gen.Choose(0, int.MaxValue)
                      select Device(state, Payload(state, new Random(seed)));
        Prop.ForAll(devices.ToArbitrary(), device =>
        {
            var tree = DeviceStateTree.TryBuild(device)!;
            return DeviceStateTree.Encode(tree, device.Description!, 0).Span.SequenceEqual(device.Payload.Span);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("int32", 4, "ffffff80", "-128")]
    [InlineData("uint32", 4, "ffffff80", "4294967168")]
    [InlineData("int8", 1, "80", "-128")]
    [InlineData("int32 le", 4, "00000100", "256")]
    [InlineData("int64 equal", 8, "8000000000000000", "-9223372036854775808")]
    [InlineData("timer", 8, "ffffffffffffffff", "18446744073709551615")]
    public void Numbers_have_the_sign_of_their_type(string type, int size, string octets, string value)
    {
        var state = new StateDescription("dev", 1, [new FieldDescription("field", type, size)], []);
        var tree = DeviceStateTree.TryBuild(Device(state, Convert.FromHexString(octets)))!;
        Assert.Equal(value, Assert.IsType<BerItem.Number>(Assert.Single(tree.Items)).Value.Value.ToString());
    }

    [Fact]
    public void A_boolean_that_is_neither_0_nor_1_keeps_its_octet()
    {
        var state = new StateDescription("dev", 1, [new FieldDescription("field", "bool", 1) { ArrayLength = 3 }], []);
        var tree = DeviceStateTree.TryBuild(Device(state, [0, 1, 2]))!;
        var flags = Assert.IsType<BerItem.Group>(Assert.Single(tree.Items)).Items;
        Assert.Equal([new BerItem.Flag(false), new BerItem.Flag(true)], flags.Take(2));
        Assert.IsType<BerItem.Buffer>(flags[2]);
    }

    [Fact]
    public void A_null_pointer_is_one_octet_whatever_it_points_to()
    {
        var empty = new StateDescription("element", 1, [], []);
        var state = new StateDescription("dev", 1, [new FieldDescription("pointers", "struct", 1) { Index = 0, State = empty }], []);
        var tree = DeviceStateTree.TryBuild(Device(state, "0"u8.ToArray()))!;
        Assert.Equal("0"u8, Assert.IsType<BerItem.Buffer>(Assert.Single(tree.Items)).Octets.Span);
    }

    [Fact]
    public void State_of_cpu_common_with_a_subsection_is_a_plain_one()
    {
        FieldDescription[] fields = [new("halted", "uint32", 4), new("interrupt_request", "uint32", 4)];
        var plain = new StateDescription("cpu_common", 1, fields, []);
        var crashed = new StateDescription("cpu_common/crash_occurred", 1, [new FieldDescription("crash_occurred", "bool", 1)], []);
        var extended = plain with { Subsections = [crashed] };
        Assert.Equal(BerSnapshot.CpuCommon, Build(plain).Tag);
        Assert.Equal(BerTag.Sequence, Build(extended).Tag);

        static BerItem.Group Build(StateDescription state) =>
            DeviceStateTree.TryBuild(Device(state, Payload(state, new Random(1))) with { Name = "cpu_common" })!;
    }

    [Fact]
    public void What_cannot_be_told_apart_is_left_whole()
    {
        var state = new StateDescription("dev", 1, [new FieldDescription("field", "uint32", 4)], []);
        Assert.Null(DeviceStateTree.TryBuild(Device(state, [1, 2, 3])));
        Assert.Null(DeviceStateTree.TryBuild(Device(state, [1, 2, 3, 4]) with { Description = null }));
        var oldStyle = new StateDescription("", 0, [new FieldDescription("data", "buffer", 4)], []);
        Assert.Null(DeviceStateTree.TryBuild(Device(oldStyle, [1, 2, 3, 4])));
        var subsection = state with { Fields = [], Subsections = [new StateDescription("dev/sub", 1, [], [])] };
        Assert.Null(DeviceStateTree.TryBuild(Device(subsection, new byte[13])));
        var nested = state;
        for (var depth = 0; depth < BerWriter.MaxDepth; depth++)
            nested = state with { Fields = [new FieldDescription("inner", "struct", 4) { State = nested }] };
        Assert.Null(DeviceStateTree.TryBuild(Device(nested, [1, 2, 3, 4])));
    }

    [Fact]
    public void Items_that_are_not_those_of_the_description_are_refused()
    {
        var inner = new StateDescription("inner", 1, [new FieldDescription("flag", "bool", 1)], []);
        var state = new StateDescription(
            "dev", 1,
            [
                new("number", "uint8", 1), new("list", "uint16", 2) { ArrayLength = 2 }, new("inner", "struct", 1) { State = inner },
                new("raw", "buffer", 3),
            ],
            [new StateDescription("dev/sub", 2, [], [])]);
        var device = Device(state, Payload(state, new Random(5)));
        var tree = DeviceStateTree.TryBuild(device)!;
        var number = new BerItem.Number(new BerStateInteger(256));
        BerItem.Group[] wrong =
        [
            tree with { Items = [.. tree.Items.Skip(1)] },
            tree with { Subsections = [] },
            tree with { Subsections = [tree.Subsections[0] with { Name = "dev/other" }] },
            tree with { Subsections = [tree.Subsections[0] with { VersionId = 3 }] },
            tree with { Items = [number, .. tree.Items.Skip(1)] },
            tree with { Items = [tree.Items[0], number, .. tree.Items.Skip(2)] },
            tree with { Items = [.. tree.Items.Take(2), number, tree.Items[3]] },
            tree with { Items = [.. tree.Items.Take(3), new BerItem.Buffer(new byte[2])] },
            tree with { Items = [.. tree.Items.Take(3), new BerItem.Text(new byte[3])] },
        ];
        foreach (var items in wrong)
        {
            var error = Assert.Throws<MalformedInputException>(() => DeviceStateTree.Encode(items, device.Description!, 77));
            Assert.Equal(77, error.Offset);
        }

        var huge = state with { Fields = [new FieldDescription("huge", "buffer", int.MaxValue) { ArrayLength = int.MaxValue }] };
        Assert.Throws<MalformedInputException>(() => DeviceStateTree.Encode(tree, Device(huge, []).Description!, 0));
    }

    private static DeviceSection Device(StateDescription state, byte[] payload) =>
        new("dev", 0, 1, 1, payload) { Description = new DeviceDescription("dev", 0, state, ReadOnlyMemory<byte>.Empty) };

    private static Gen<StateDescription> State(int depth)
    {
        var leaves = from leaf in Gen.Elements(_leaves)
                     from length in Gen.Elements<int?>(null, null, 0, 1, 2, 7)
                     select new FieldDescription("leaf", leaf.Type, leaf.Size) { ArrayLength = length };
        var fields = leaves;
        if (depth > 0)
        {
            var structures = from inner in State(depth - 1)
                             from type in Gen.Elements("struct", "vstruct", "tmp")
                             from length in Gen.Elements<int?>(null, null, 0, 1, 3)
                             select new FieldDescription("inner", type, (int)inner.WireLength) { ArrayLength = length, State = inner };
            fields = Gen.OneOf(leaves, structures);
        }

        return from some in fields.ListOf(5)
               from count in Gen.Choose(0, 5)
               from subsections in depth > 0 ? State(depth - 1).ListOf(2) : Gen.Constant(new List<StateDescription>())
               from subsectionCount in Gen.Choose(0, 2)
               let parts = subsections.Take(subsectionCount).Select((part, index) => part with { Name = $"dev/{index}", Version = index - 1 })
               select new StateDescription("dev", 1, [.. some.Take(count)], [.. parts]);
    }

    private static byte[] Payload(StateDescription state, Random random)
    {
        var octets = new ArrayBufferWriter<byte>();
        Write(state);
        return octets.WrittenSpan.ToArray();

        void Write(StateDescription inner)
        {
            foreach (var field in inner.Fields)
            {
                for (var element = 0; element < (field.ArrayLength ?? 1); element++)
                {
                    if (field.State is { } nested)
                    {
                        Write(nested);
                        continue;
                    }

                    var value = new byte[field.Size];
                    random.NextBytes(value);
                    if (field.Type == "bool") value[0] &= 3;
                    octets.Write(value);
                }
            }

            foreach (var subsection in inner.Subsections)
            {
                var name = Encoding.UTF8.GetBytes(subsection.Name);
                octets.Write((byte[])[5, (byte)name.Length, .. name, (byte)(subsection.Version >> 24), (byte)(subsection.Version >> 16),
                    (byte)(subsection.Version >> 8), (byte)subsection.Version]);
                Write(subsection);
            }
        }
    }
}
