using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using Cutpoint.Formats.Elf;
using Cutpoint.Shared.Tests.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Elf;

/// <summary>
/// Cores made of golden streams against QEMU's own dumps of the same stopped guests. What differs is told by <see cref="AsQemuWrites"/>, and nothing else
/// does: QEMU puts section headers in front of the program headers, which makedumpfile does not find then, and the size of a pointer into e_ehsize.
/// </summary>
public sealed class Golden_cores
{
    private const int SectionHeaders = 2 * 64;

    private static readonly byte[] SectionNames = "\0.shstrtab\0"u8.ToArray();

    [Theory]
    [InlineData("pc-7.2")]
    [InlineData("virt-7.2")]
    public async Task A_core_is_QEMUs_but_for_the_order_of_its_headers(string name)
    {
        var core = Write(await StreamGuest.OfAsync(name));

        Assert.Equal(Vectors.Unpack(name + ".elf.gz"), AsQemuWrites(core));
    }

    [Fact]
    public async Task A_core_of_a_protected_mode_guest_is_QEMUs_but_for_the_order_of_its_headers()
    {
        var core = Write(await StreamGuest.OfAsync("toy8"));

        // QEMU 7.2.22 wrote the file of this digest of the guest in toy8.qmig.
        Assert.Equal("ac0e7de6a5ceb97788acf741ee7a418b38d10b171524f54545576b78fe7b653e", Convert.ToHexStringLower(SHA256.HashData(AsQemuWrites(core))));
    }

    [Fact]
    public async Task What_is_written_is_read_and_so_is_what_QEMU_wrote()
    {
        var guest = await StreamGuest.OfAsync("pc-7.2");
        var octets = Write(guest);

        var ours = await ElfCoreReader.ReadAsync(new MemoryStream(octets), default);
        var qemus = await ElfCoreReader.ReadAsync(new MemoryStream(Vectors.Unpack("pc-7.2.elf.gz")), default);

        Assert.Equal(qemus.Target, ours.Target);
        Assert.Equal(guest.Notes.Select(Show), ours.Notes.Select(Show));
        Assert.Equal(qemus.Notes.Select(Show), ours.Notes.Select(Show));
        Assert.Equal(qemus.Segments.Select(s => s with { FileOffset = s.FileOffset - SectionHeaders }), ours.Segments);
        foreach (var segment in ours.Segments)
        {
            Assert.True(octets.AsSpan((int)segment.FileOffset, (int)segment.FileLength).SequenceEqual(
                guest.Contents(new DumpRange(segment.Physical, segment.Length))));
        }
    }

    [Fact]
    public async Task A_guest_whose_kernel_left_no_note_says_so()
    {
        Assert.Equal("the guest's kernel has not written its note", (await StreamGuest.OfAsync("pc-7.2")).NoNote);
        // No such device.
        Assert.Null((await StreamGuest.OfAsync("toy8")).NoNote);
    }

    private static byte[] Write(StreamGuest guest)
    {
        var output = new ArrayBufferWriter<byte>();
        var layout = new ElfCoreLayout(guest.Processors.Target(guest.Memory), guest.Notes, guest.Memory, MemoryMapping.Identity(guest.Memory));
        layout.WriteHead(output);
        Assert.Equal(layout.MemoryOffset, output.WrittenCount);
        foreach (var range in guest.Memory) output.Write(guest.Contents(range));
        Assert.Equal(layout.Length, output.WrittenCount);
        return output.WrittenSpan.ToArray();
    }

    private static byte[] AsQemuWrites(ReadOnlySpan<byte> core)
    {
        var octets = new byte[core.Length + SectionHeaders + SectionNames.Length];
        core[..64].CopyTo(octets);
        core[64..].CopyTo(octets.AsSpan(64 + SectionHeaders));
        SectionNames.CopyTo(octets.AsSpan(core.Length + SectionHeaders));
        Put64(32, 64 + SectionHeaders); // e_phoff
        Put64(40, 64); // e_shoff
        Put16(52, 8); // e_ehsize
        Put16(58, 64); // e_shentsize
        Put16(60, 2); // e_shnum
        Put16(62, 1); // e_shstrndx
        octets[64 + 64] = 1; // sh_name
        octets[64 + 64 + 4] = 3; // sh_type: SHT_STRTAB
        Put64(64 + 64 + 24, core.Length + SectionHeaders); // sh_offset
        Put64(64 + 64 + 32, SectionNames.Length); // sh_size
        var count = BinaryPrimitives.ReadUInt16LittleEndian(core[56..]);
        for (var i = 0; i < count; i++)
        {
            var offset = 64 + SectionHeaders + (56 * i) + 8;
            Put64(offset, BinaryPrimitives.ReadInt64LittleEndian(octets.AsSpan(offset)) + SectionHeaders); // p_offset
        }
        return octets;

        void Put64(int offset, long value) => BinaryPrimitives.WriteInt64LittleEndian(octets.AsSpan(offset), value);

        void Put16(int offset, ushort value) => BinaryPrimitives.WriteUInt16LittleEndian(octets.AsSpan(offset), value);
    }

    private static string Show(ElfNote note) => $"{note.Name} {note.Type} {Convert.ToHexString(note.Contents.Span)}";
}
