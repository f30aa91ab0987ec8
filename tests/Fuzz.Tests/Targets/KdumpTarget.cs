using System.Buffers;
using Cutpoint.Compression;
using Cutpoint.Formats;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Fuzz.Targets;

/// <summary>Kdump files, plain and flattened: headers, notes, bitmaps, descriptors, pages of every method.</summary>
public sealed class KdumpTarget : FuzzTarget
{
    private static readonly KdumpCompression[] Methods = [KdumpCompression.Zlib, KdumpCompression.Lzo, KdumpCompression.Snappy, KdumpCompression.Zstd];

    private static readonly ZlibCodec Zlib = new(1);
    private static readonly ZstdCodec Zstd = ZstdCodec.ForLevel(1);

    public override string Name => "kdump";

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0x00], [0x01], [0x02], [0x04], [0x20], [0x10], [0xff, 0xff, 0xff, 0xff], [0, 0x10, 0, 0], [0, 0, 1, 0], "KDUMP   "u8.ToArray(), "makedumpfile\0\0\0\0"u8.ToArray()];

    /// <summary>One of either class and order, the flattened one, and what QEMU wrote; the method of its pages means nothing to a cut.</summary>
    public override IEnumerable<byte[]> Cut => [.. Corpus.Take(2), .. Corpus.Skip(2 * Methods.Length)];

    public override void Read(byte[] octets, Random random)
    {
        var reader = KdumpReader.OpenAsync(new MemoryStream(octets), CancellationToken.None).GetAwaiter().GetResult();
        reader.ReadPagesAsync(Codec, static (_, _) => { }, CancellationToken.None).GetAwaiter().GetResult();
    }

    protected override IEnumerable<byte[]> Golden()
    {
        foreach (var method in Methods)
        {
            foreach (var target in (ElfTarget[])[new(ElfMachine.X86Bits64, ElfClass.Bits64, false), new(ElfMachine.Arm, ElfClass.Bits32, true)])
            {
                var plain = new PlacedStream();
                Write(target, method, plain);
                yield return plain.ToArray();
            }
        }
        var octets = new ArrayBufferWriter<byte>();
        var flattened = new FlattenedOutput(octets);
        flattened.Begin();
        Write(new ElfTarget(ElfMachine.X86Bits64, ElfClass.Bits64, false), KdumpCompression.Zlib, flattened);
        flattened.Complete();
        yield return octets.WrittenSpan.ToArray();
        foreach (var file in GoldenFiles.Of("Kdump", "virt*.kdump-zlib.gz")) yield return file;
    }

    private static void Write(ElfTarget target, KdumpCompression method, IPlacedOutput output)
    {
        DumpRange[] memory = [new(0, 0x2000), new(0x4000, 0x1000)];
        var cpu = X86CpuState.ReadAll([new DeviceSection("cpu", 0, 12, 1, new byte[864])]);
        var writer = new KdumpWriter(target, new X86Processors(cpu), new ElfNote(VmCoreInfo.NoteName, 0, "NUMBER(phys_base)=0\n"u8.ToArray()), memory, method, output);
        while (writer.TryWriteHead()) continue;
        using var pages = new KdumpPages(Codec(method), method, 4096, 3);
        var page = new byte[4096];
        pages.Add(page);
        page.AsSpan(10, 1000).Fill(7);
        pages.Add(page);
        new Random(5).NextBytes(page);
        pages.Add(page);
        writer.Write(pages);
        writer.Complete();
    }

    private static IBlockCodec Codec(KdumpCompression method) => method switch
    {
        KdumpCompression.Zlib => Zlib,
        KdumpCompression.Lzo => LzoCodec.Instance,
        KdumpCompression.Snappy => SnappyCodec.Instance,
        _ => Zstd,
    };

    private sealed class PlacedStream : MemoryStream, IPlacedOutput
    {
        void IPlacedOutput.Write(long position, ReadOnlySpan<byte> octets)
        {
            Position = position;
            Write(octets);
        }
    }
}
