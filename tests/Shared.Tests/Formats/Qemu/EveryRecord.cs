using System.IO.Compression;
using static Cutpoint.Shared.Tests.Formats.Qemu.StreamBuilder;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>A stream of a few kilobytes with every kind of record.</summary>
internal static class EveryRecord
{
    public static byte[] Stream { get; } = new StreamBuilder()
        .Header().U8(8).U16(1).U16(0)
        .Start(2, "ram").Word(4 * Page, 4).Name("ram0").U64(3 * Page).Name("rom").U64(Page).EndRound()
        .Start(3, "dirty-bitmap", 1).U8(1).Footer(3)
        .Start(4, "block", 1).U64(2).Footer(4)
        .Device(9, "e", 1, [1, 2])
        .Part(2).Word(0, 8).Name("ram0").Fill(Page, 7).Word(Page, 0x22).U8(0).Word(0, 0x60).U8(1).U16(4).U8(0, 2, 9, 9)
        .Word(2 * Page, 0x120).U32((uint)Zlib.Length).Raw(Zlib).Word(0, 2).Name("rom").U8(0).EndRound()
        .Part(3).U8(0x1c).Name("node").Name("bits").U32(65536).U8(1).U8(0x40).U64(0).U32(512).U64(8).Fill(8, 1).U8(0x42).U64(512).U32(9)
            .U8(0x21).Footer(3)
        .Part(4).U64(0x9).Name("disk").U64(2).Footer(4)
        .U8(8).U16(11).U16(0)
        .U8(3).U32(2).EndRound()
        .Device(12, "cpu", 3, [1, 2, 3, 4, 5, 8, .. "cpu/more"u8, 0, 0, 0, 1, 6]).Device(13, "x", 1, [1, 2, 3, 4])
        .End(Describe("e", 1, Field("v", "uint16", 2)) + """
            ,{"name":"cpu","instance_id":0,"vmsd_name":"cpu","version":3,"fields":[{"name":"a","array_len":2,"type":"uint16","size":2}],
            "subsections":[{"vmsd_name":"cpu/more","version":1,"fields":[{"name":"m","type":"uint8","size":1}]}]},
            """ + Describe("x", 1, Struct("s", 4, Field("w", "uint32", 4))))
        .ToArray();

    private static byte[] Zlib
    {
        get
        {
            var packed = new MemoryStream();
            using (var zlib = new ZLibStream(packed, CompressionLevel.Fastest, true)) zlib.Write(new byte[Page]);
            return packed.ToArray();
        }
    }
}
