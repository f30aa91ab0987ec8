using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>What cannot be captured is refused with a reason and advice; what is wrong is refused where it is wrong.</summary>
public sealed class Refused_streams
{
    public static TheoryData<string, byte[]> Incompatible => new()
    {
        { "postcopy", new StreamBuilder().Header().U8(8).U16(3).U16(16).U64(4096).U64(4096).ToArray() },
        { "postcopy", new StreamBuilder().Header().U8(8).U16(7).U16(4).U32(100).ToArray() },
        { "COLO", new StreamBuilder().Header().U8(8).U16(8).U16(0).ToArray() },
        { "passed-through device (vfio)", new StreamBuilder().Header().Start(3, "0000:00:05.0/vfio", 1).ToArray() },
        { "RDMA", new StreamBuilder().Memory(1).Word(0, 0x80).ToArray() },
        { "multifd", new StreamBuilder().Memory(1).Word(0, 0x200).ToArray() },
        { "multifd", new StreamBuilder().U32(0x11223344).U32(1).Fill(56).ToArray() },
        { "XBZRLE", new StreamBuilder().Memory(1).Word(0, 0x40).Name("ram0").U8(1).U16(0).ToArray() },
        { "mapped-ram", new StreamBuilder().Header("mapped-ram").Start(2, "ram").Word(4096, 4).Name("ram0").U64(4096).ToArray() },
        { "version 5", new StreamBuilder().Header().Start(2, "ram", 5).ToArray() },
    };

    public static TheoryData<string, byte[], long> Malformed => new()
    {
        { "not a migration stream", "LibvirtQemudSave"u8.ToArray(), 0 },
        { "stream version 2", new StreamBuilder().Raw("QEVM"u8).U32(2).ToArray(), 0 },
        { "no configuration", new StreamBuilder().Raw("QEVM"u8).U32(3).U8(1).ToArray(), 8 },
        { "machine name of", new StreamBuilder().Raw("QEVM"u8).U32(3).U8(7).U32(0x7fffffff).ToArray(), 8 },
        { "unknown part 'configuration/other'", new StreamBuilder().Header().U8(5).Name("configuration/other").U32(1).ToArray(), 26 },
        { "pages of 2^31", new StreamBuilder().Header().U8(5).Name("configuration/target-page-bits").U32(1).U32(31).ToArray(), 26 },
        { "capabilities", new StreamBuilder().Header().U8(5).Name("configuration/capabilities").U32(1).U32(uint.MaxValue).ToArray(), 26 },
        { "unknown section type 0a", new StreamBuilder().Header().U8(10).ToArray(), 26 },
        { "section 9", new StreamBuilder().Header().Part(9).ToArray(), 26 },
        { "without memory", new StreamBuilder().Header().End("").ToArray(), 26 },
        { "in front of the block list", new StreamBuilder().Header().Start(2, "ram").Word(0, 2).ToArray(), 43 },
        { "octets of memory", new StreamBuilder().Header().Start(2, "ram").Word(ulong.MaxValue << 12, 4).ToArray(), 43 },
        { "RAM block of", new StreamBuilder().Header().Start(2, "ram").Word(8192, 4).Name("a").U64(12288).ToArray(), 51 },
        { "RAM block of", new StreamBuilder().Header().Start(2, "ram").Word(8192, 4).Name("a").U64(100).ToArray(), 51 },
        { "RAM block of", new StreamBuilder().Header().Start(2, "ram").Word(8192, 4).Name("a").U64(0).ToArray(), 51 },
        { "two RAM blocks", new StreamBuilder().Header().Start(2, "ram").Word(8192, 4).Name("a").U64(4096).Name("a").U64(4096).ToArray(),
            61 },
        { "not UTF-8", new StreamBuilder().Header().Start(2, "ram").Word(4096, 4).U8(1, 0xff).U64(4096).ToArray(), 51 },
        { "second block list", new StreamBuilder().Memory(1).Word(4096, 4).ToArray(), 82 },
        { "flags 001", new StreamBuilder().Memory(1).Word(0, 1).ToArray(), 82 },
        { "flags 018", new StreamBuilder().Memory(1).Word(0, 0x18).ToArray(), 82 },
        { "unknown RAM block", new StreamBuilder().Memory(1).Word(0, 8).Name("ram1").ToArray(), 82 },
        { "there was none", new StreamBuilder().Memory(1).Word(0, 0x22).U8(0).ToArray(), 82 },
        { "page at 1000", new StreamBuilder().Memory(1).Word(4096, 8).Name("ram0").ToArray(), 82 },
        { "XBZRLE page of encoding 2", new StreamBuilder().Memory(1).Word(0, 2).Name("ram0").U8(0).Word(0, 0x60).U8(2).U16(1).ToArray(),
            96 },
        { "do not fit", new StreamBuilder().Memory(1).Word(0, 2).Name("ram0").U8(0).Word(0, 0x60).U8(1).U16(2).U8(0, 0).ToArray(), 96 },
        { "a compressed page of", new StreamBuilder().Memory(1).Word(0, 0x100).Name("ram0").U32(9999).ToArray(), 82 },
        { "not one", new StreamBuilder().Memory(1).Word(0, 0x100).Name("ram0").U32(0).ToArray(), 82 },
        { "not one", new StreamBuilder().Memory(1).Word(0, 0x100).Name("ram0").U32(3).U8(1, 2, 3).ToArray(), 82 },
        // It asks for a dictionary.
        { "not one", new StreamBuilder().Memory(1).Word(0, 0x100).Name("ram0").U32(10).U8(0x78, 0x20, 1, 2, 3, 4, 3, 0, 0, 0).ToArray(), 82 },
        { "no footer", new StreamBuilder().Memory(1).Word(0, 0x10).U8(2).ToArray(), 90 },
        { "names section 7", new StreamBuilder().Memory(1).Word(0, 0x10).Footer(7).ToArray(), 90 },
        { "dirty bitmap piece of", new StreamBuilder().Header().Start(3, "dirty-bitmap", 1).U8(0x40).U64(0).U32(8).U64(1ul << 40)
            .ToArray(), 52 },
        { "disk record", new StreamBuilder().Header().Start(3, "block", 1).U64(0x10).ToArray(), 45 },
        { "command 11", new StreamBuilder().Header().U8(8).U16(11).U16(4).ToArray(), 26 },
        { "unknown command", new StreamBuilder().Header().U8(8).U16(77).U16(0).ToArray(), 26 },
    };

    [Theory]
    [MemberData(nameof(Incompatible))]
    public void What_cannot_be_captured_is_refused_with_advice(string what, byte[] stream)
    {
        var error = Assert.Throws<SnapshotException>(() => new QemuStreamParser(new CollectedMemory { KeepsPages = false })
            .Consume(stream));

        Assert.Equal(ErrorCode.Incompatible, error.Code);
        Assert.Contains(what, error.Message, StringComparison.Ordinal);
        Assert.False(string.IsNullOrEmpty(error.Advice));
    }

    [Theory]
    [MemberData(nameof(Malformed))]
    public void What_is_wrong_is_told_with_its_place(string what, byte[] stream, long offset)
    {
        foreach (var piece in new[] { stream.Length, 1 })
        {
            var parser = new QemuStreamParser(new CollectedMemory());
            var error = Assert.Throws<MalformedInputException>(() =>
            {
                for (var at = 0; at < stream.Length; at += piece) parser.Consume(stream.AsSpan(at, piece));
                parser.Complete();
            });

            Assert.Contains(what, error.Message, StringComparison.Ordinal);
            Assert.Equal(offset, error.Offset);
            Assert.False(string.IsNullOrEmpty(error.Advice));
        }
    }

    [Fact]
    public void Commands_of_a_return_path_and_the_switchover_are_passed_over()
    {
        var memory = new CollectedMemory();
        var parser = new QemuStreamParser(memory);
        parser.Consume(new StreamBuilder().Header().U8(8).U16(1).U16(0).U8(8).U16(2).U16(4).U32(7).U8(8).U16(3).U16(0).U8(8).U16(11).U16(0)
            .Start(2, "ram").Word(4096, 4).Name("ram0").U64(4096).Word(0, 2).Name("ram0").U8(0).EndRound()
            .Device(5, "d", 1, [9]).End(StreamBuilder.Describe("d", 1, StreamBuilder.Field("x", "uint8", 1))).ToArray());

        Assert.Equal("d/0 v1", Assert.Single(parser.Complete().Devices).ToString());
        Assert.Single(memory.Pages);
    }

    [Fact]
    public void A_page_filled_with_one_octet_is_a_page()
    {
        var memory = new CollectedMemory();
        new QemuStreamParser(memory).Consume(new StreamBuilder().Memory(1).Word(0, 2).Name("ram0").U8(0x5a).ToArray());

        Assert.Equal(-1, Assert.Single(memory.Pages).Value.AsSpan().IndexOfAnyExcept((byte)0x5a));
    }

    [Theory]
    [InlineData(new byte[] { 0, 2, 7, 8 }, "0708000000000000")]
    [InlineData(new byte[] { 2, 1, 9, 3, 2, 5, 6 }, "0000090000000506")]
    [InlineData(new byte[] { 0x80, 0x00, 1, 4 }, "0400000000000000")]
    [InlineData(new byte[] { }, "0000000000000000")]
    public void Differences_are_applied_to_the_page_before(byte[] edits, string start)
    {
        var memory = new CollectedMemory();
        new QemuStreamParser(memory).Consume(new StreamBuilder().Memory(1).Word(0, 2).Name("ram0").U8(0)
            .Word(0, 0x60).U8(1).U16(edits.Length).Raw(edits).ToArray());

        var page = Assert.Single(memory.Pages).Value;
        Assert.Equal(start, Convert.ToHexStringLower(page.AsSpan(0, 8)));
        Assert.Equal(-1, page.AsSpan(8).IndexOfAnyExcept((byte)0));
    }
}
