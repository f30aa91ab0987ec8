using System.Buffers;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

public class BerSnapshotWriterTests
{
    [Fact]
    public void The_empty_file_equals_the_golden_file() => AssertWritten("01-empty", _ => { });

    [Fact]
    public void Integers_of_every_width_equal_the_golden_file() => AssertWritten("02-integers", writer =>
    {
        writer.BeginSection("ints", 1, 0, 1);
        writer.BeginState();
        long[] values =
        [
            0, 1, 127, 128, 255, 256, 32767, 32768, 2147483647, 2147483648, 4294967295, long.MaxValue,
            -1, -128, -129, -256, -32768, -32769, -2147483648, long.MinValue,
        ];
        foreach (var value in values) writer.WriteInteger(value);
        writer.WriteInteger(ulong.MaxValue);
        writer.WriteBoolean(true);
        writer.WriteBoolean(false);
        writer.EndState();
        writer.EndSection();
    });

    [Fact]
    public void Ram_equals_the_golden_file()
    {
        var golden = BerVectors.Read("04-ram");
        var pages = new List<byte[]>();
        using (var reader = new BerSnapshotReader(golden))
        {
            while (reader.Read())
            {
                if (reader.Event == BerSnapshotEvent.RamEntry && reader.RamFlags == BerRamFlags.Page) pages.Add(reader.Contents.ToArray());
            }
        }

        AssertWritten("04-ram", writer =>
        {
            writer.BeginSection("ram", 2, 0, 4);
            writer.BeginRamList();
            writer.WriteRamBlocks([new BerRamBlock("pc.ram", 0x2000), new BerRamBlock("pc.bios", 0x1000)]);
            writer.EndRamList();
            writer.EndSection();
            writer.ContinueSection(2);
            writer.BeginRamList();
            writer.WriteZeroPage("pc.ram", 0);
            writer.WritePage("pc.ram", 0x1000, pages[0]);
            writer.EndRamList();
            writer.EndSection();
            writer.ContinueSection(2);
            writer.BeginRamList();
            writer.WritePage("pc.bios", 0, pages[1]);
            writer.EndRamList();
            writer.EndSection();
            writer.ContinueSection(2);
            writer.BeginRamList();
            writer.EndRamList();
            writer.EndSection();
        });
    }

    [Fact]
    public void Devices_equal_the_golden_file() => AssertWritten("05-device", writer =>
    {
        writer.BeginSection("timer", 0, 0, 2);
        writer.BeginState();
        writer.WriteInteger(-5);
        writer.WriteBuffer(new byte[8]);
        writer.WriteInteger(1UL << 63);
        writer.EndState();
        writer.EndSection();

        writer.BeginSection("cpu_common", 4, 0, 1);
        writer.BeginState(BerSnapshot.CpuCommon.Number);
        writer.WriteInteger(0);
        writer.WriteInteger(2);
        writer.EndState();
        writer.EndSection();

        writer.BeginSection("0000:00:01.1/ide", 31, 0, 3);
        writer.BeginState();
        writer.WriteBuffer(new byte[256]);
        writer.BeginArray(3);
        for (var element = 1; element <= 3; element++) writer.WriteInteger(element);
        writer.EndArray();
        writer.BeginArray(2);
        writer.BeginStruct();
        writer.WriteBoolean(true);
        writer.WriteText("drive0");
        writer.EndStruct();
        writer.BeginStruct();
        writer.WriteBoolean(false);
        writer.WriteText("");
        writer.EndStruct();
        writer.EndArray();
        writer.BeginSubsections();
        writer.BeginSubsection("ide_bus/error", 2);
        writer.BeginState();
        writer.WriteInteger(128);
        writer.WriteInteger(0x1234);
        writer.EndState();
        writer.EndSubsection();
        writer.EndSubsections();
        writer.EndState();
        writer.EndSection();

        writer.BeginSection("slirp", 40, 0, 4);
        writer.BeginBlob(14);
        writer.WriteOctets("old style blob"u8);
        writer.EndBlob();
        writer.EndSection();
    });

    [Fact]
    public void A_state_with_tag_31_gets_the_long_form()
    {
        var written = Written(writer =>
        {
            writer.BeginSection("t31", 1, 0, 1);
            writer.BeginState(31);
            writer.WriteInteger(7);
            writer.EndState();
            writer.EndSection();
        });
        Assert.Contains("7f1f800201070000", Convert.ToHexStringLower(written), StringComparison.Ordinal);
    }

    [Fact]
    public void What_the_reference_profile_forbids_is_refused_before_it_is_written()
    {
        InSection(writer => RefusedData(() => writer.BeginState(2003)));
        InSection(writer => RefusedData(() => writer.BeginState(10700)));
        InSection(writer =>
        {
            writer.BeginState(BerSnapshot.CpuCommon.Number);
            RefusedData(() => writer.WriteBoolean(true));
            writer.WriteInteger(0);
            RefusedCall(writer.EndState);
            writer.WriteInteger(0);
            RefusedData(() => writer.WriteInteger(0));
        });
        InTop(writer => RefusedData(() => writer.BeginSection("", 1, 0, 1)));
        InTop(writer => RefusedData(() => writer.BeginSection("a\0b", 1, 0, 1)));
        InTop(writer => RefusedData(() => writer.BeginSection(new string('x', 256), 1, 0, 1)));
        InTop(writer => RefusedData(() => writer.BeginSection(new string('é', 128), 1, 0, 1)));
        InTop(writer => RefusedData(() => writer.BeginSection("\ud800", 1, 0, 1)));
        InTop(writer => RefusedCall(() => writer.ContinueSection(9)));
        InTop(writer =>
        {
            writer.BeginSection("a", 1, 0, 1);
            RefusedCall(() => writer.BeginSection("b", 2, 0, 1));
            RefusedCall(writer.EndFile);
            writer.EndSection();
            RefusedData(() => writer.BeginSection("b", 1, 0, 1));
        });
        InSection(writer =>
        {
            writer.BeginState();
            writer.EndState();
            RefusedCall(() => writer.BeginState());
        });
        InSection(writer =>
        {
            writer.BeginState();
            writer.BeginSubsections();
            RefusedCall(() => writer.WriteInteger(1));
            writer.BeginSubsection("a/b", 1);
            RefusedCall(writer.EndSubsection);
            RefusedData(() => writer.BeginState(40));
            writer.BeginState();
            writer.EndState();
            writer.EndSubsection();
            writer.EndSubsections();
            RefusedCall(() => writer.WriteInteger(1));
        });
        InSection(writer =>
        {
            writer.BeginState();
            writer.BeginArray(2);
            writer.WriteInteger(1);
            RefusedCall(writer.EndArray);
            RefusedCall(writer.EndList);
        });
        InSection(writer =>
        {
            writer.BeginBlob(2);
            writer.WriteOctets([1]);
            RefusedCall(writer.EndBlob);
            RefusedCall(writer.EndSection);
        });
    }

    [Fact]
    public void Pages_outside_of_their_block_are_refused() => InSection(writer =>
    {
        var page = new byte[4096];
        writer.BeginRamList();
        RefusedCall(() => writer.WritePage("pc.ram", 0, page));
        RefusedData(() => writer.WriteRamBlocks([new BerRamBlock("a", 4096), new BerRamBlock("a", 4096)]));
        RefusedData(() => writer.WriteRamBlocks([new BerRamBlock("a", 4095)]));
        RefusedData(() => writer.WriteRamBlocks([new BerRamBlock("a", 1UL << 63), new BerRamBlock("b", 1UL << 63)]));
        writer.WriteRamBlocks([new BerRamBlock("pc.ram", 8192)]);
        RefusedCall(() => writer.WriteRamBlocks([new BerRamBlock("pc.ram", 8192)]));
        Assert.Throws<ArgumentException>(() => writer.WritePage("pc.bios", 0, page));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.WritePage("pc.ram", 8192, page));
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.WriteZeroPage("pc.ram", 1));
        Assert.Throws<ArgumentException>(() => writer.WritePage("pc.ram", 0, page.AsSpan(1)));
        writer.WritePage("pc.ram", 4096, page);
    });

    private static void InTop(Action<BerSnapshotWriter> write)
    {
        var writer = new BerSnapshotWriter(new BerWriter(new ArrayBufferWriter<byte>()));
        writer.BeginFile();
        write(writer);
    }

    private static void InSection(Action<BerSnapshotWriter> write) => InTop(writer =>
    {
        writer.BeginSection("unit", 1, 0, 1);
        write(writer);
    });

    private static void RefusedData(Action write) => Assert.Equal(ErrorCode.Incompatible, Assert.Throws<SnapshotException>(write).Code);

    private static void RefusedCall(Action write) => Assert.Throws<InvalidOperationException>(write);

    private static void AssertWritten(string golden, Action<BerSnapshotWriter> write) =>
        Assert.Equal(Convert.ToHexStringLower(BerVectors.Read(golden)), Convert.ToHexStringLower(Written(write)));

    private static byte[] Written(Action<BerSnapshotWriter> write)
    {
        using var stream = new MemoryStream();
        using var values = new BerWriter(stream);
        var writer = new BerSnapshotWriter(values);
        writer.BeginFile();
        write(writer);
        writer.EndFile();
        Assert.Throws<InvalidOperationException>(writer.BeginFile);
        values.Flush();
        return stream.ToArray();
    }
}
