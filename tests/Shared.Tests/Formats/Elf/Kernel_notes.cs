using System.Buffers;
using System.Buffers.Binary;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Elf;

/// <summary>The note a kernel leaves for readers of dumps. The guest wrote it, and the device's state too: both may be anything.</summary>
public sealed class Kernel_notes
{
    [Fact]
    public void The_device_names_the_place()
    {
        Assert.True(VmCoreInfo.TryFind([Device(1, 1, 4096, 0x1234_5000)], out var found, out _));
        Assert.Equal(new VmCoreInfo(0x1234_5000, 4096), found);
    }

    [Theory]
    [InlineData(0, 1, 4096, "has not written its note")]
    [InlineData(1, 2, 4096, "is of format 2")]
    [InlineData(1, 1, 11, "11 octets")]
    [InlineData(1, 1, (1 << 20) + 1, "1048577 octets")]
    public void A_device_that_names_no_note_says_why(byte has, ushort format, uint size, string why)
    {
        Assert.False(VmCoreInfo.TryFind([Device(has, format, size, 0)], out _, out var reason));
        Assert.Contains(why, reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_note_ends_where_its_header_says()
    {
        var note = VmCoreInfo.Read((byte[])[.. Note("VMCOREINFO", "OSRELEASE=6.1\n"), .. new byte[64]], false)!;

        Assert.Equal(("VMCOREINFO", 0u, 14), (note.Name, note.Type, note.Contents.Length));
        Assert.Equal(["OSRELEASE=6.1"], VmCoreInfo.Lines(note));
    }

    [Fact]
    public void Octets_that_are_no_note_are_none()
    {
        var octets = Note("VMCOREINFO", "text");
        Assert.Null(VmCoreInfo.Read(octets.AsMemory(0, octets.Length - 1), false));
        Assert.Null(VmCoreInfo.Read(new byte[64], false));
        var random = new Random(7);
        for (var i = 0; i < 1000; i++)
        {
            random.NextBytes(octets.AsSpan(0, 12));
            _ = VmCoreInfo.Read(octets, i % 2 == 0);
        }
    }

    [Theory]
    [InlineData("NUMBER(phys_base)=-713031680\n", -713031680L)]
    [InlineData("A=1\nNUMBER(phys_base)=16777216\nB=2", 16777216L)]
    [InlineData("NUMBER(phys_base)=0x40000000", 0x40000000L)]
    [InlineData("XNUMBER(phys_base)=1\n", null)]
    [InlineData("NUMBER(phys_base)=\n", null)]
    public void Numbers_are_decimal_and_may_be_negative(string text, long? expected) =>
        Assert.Equal(expected, VmCoreInfo.Number(VmCoreInfo.Read(Note("VMCOREINFO", text), false)!, "phys_base"));

    private static byte[] Note(string name, string text)
    {
        var output = new ArrayBufferWriter<byte>();
        ElfNotes.Write([new ElfNote(name, 0, System.Text.Encoding.ASCII.GetBytes(text))], false, output);
        return output.WrittenSpan.ToArray();
    }

    private static DeviceSection Device(byte has, ushort format, uint size, ulong address)
    {
        var state = new byte[17];
        state[0] = has;
        BinaryPrimitives.WriteUInt16BigEndian(state.AsSpan(3), format);
        BinaryPrimitives.WriteUInt32BigEndian(state.AsSpan(5), size);
        BinaryPrimitives.WriteUInt64BigEndian(state.AsSpan(9), address);
        return new DeviceSection("vmcoreinfo", 0, 1, 1, state);
    }
}
