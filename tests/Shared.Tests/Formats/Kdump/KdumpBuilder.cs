using System.Buffers;
using Cutpoint.Compression;
using Cutpoint.Formats;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;

namespace Cutpoint.Shared.Tests.Formats.Kdump;

/// <summary>Writes kdump files into memory.</summary>
internal static class KdumpBuilder
{
    /// <summary>The codecs, at the levels of QEMU.</summary>
    public static IBlockCodec Codec(KdumpCompression compression) => compression switch
    {
        KdumpCompression.Zlib => new ZlibCodec(1),
        KdumpCompression.Lzo => LzoCodec.Instance,
        KdumpCompression.Snappy => SnappyCodec.Instance,
        _ => ZstdCodec.ForLevel(1),
    };

    /// <summary>A plain file.</summary>
    public static byte[] Plain(
        GuestProcessors processors, ElfNote? note, IReadOnlyList<DumpRange> memory, KdumpCompression compression, Func<ulong, ReadOnlySpan<byte>> page,
        ElfTarget? target = null)
    {
        var output = new PlacedMemoryStream();
        Write(processors, note, memory, compression, page, output, target);
        return output.ToArray();
    }

    /// <summary>A flattened file.</summary>
    public static byte[] Flattened(
        GuestProcessors processors, ElfNote? note, IReadOnlyList<DumpRange> memory, KdumpCompression compression, Func<ulong, ReadOnlySpan<byte>> page,
        ElfTarget? target = null)
    {
        var octets = new ArrayBufferWriter<byte>();
        var output = new FlattenedOutput(octets);
        output.Begin();
        Write(processors, note, memory, compression, page, output, target);
        output.Complete();
        return octets.WrittenSpan.ToArray();
    }

    /// <summary>Every page of a file, by frame.</summary>
    public static async Task<(KdumpReader Reader, SortedDictionary<ulong, byte[]> Pages)> ReadAsync(byte[] octets)
    {
        var reader = await KdumpReader.OpenAsync(new MemoryStream(octets), default);
        SortedDictionary<ulong, byte[]> pages = [];
        await reader.ReadPagesAsync(Codec, (frame, page) => pages.Add(frame, page.ToArray()), default);
        return (reader, pages);
    }

    private static void Write(
        GuestProcessors processors, ElfNote? note, IReadOnlyList<DumpRange> memory, KdumpCompression compression, Func<ulong, ReadOnlySpan<byte>> page,
        IPlacedOutput output, ElfTarget? target)
    {
        const int AtOnce = 5;
        var writer = new KdumpWriter(target ?? processors.Target(memory), processors, note, memory, compression, output);
        while (writer.TryWriteHead()) continue;
        using var pages = new KdumpPages(Codec(compression), compression, processors.BlockSize, AtOnce);
        foreach (var range in memory)
        {
            for (var address = range.Address; address <= range.Last; address += (ulong)processors.BlockSize)
            {
                pages.Add(page(address));
                if (pages.Count == AtOnce) Flush();
            }
        }
        Flush();
        writer.Complete();

        void Flush()
        {
            writer.Write(pages);
            pages.Clear();
        }
    }

    private sealed class PlacedMemoryStream : MemoryStream, IPlacedOutput
    {
        void IPlacedOutput.Write(long position, ReadOnlySpan<byte> octets)
        {
            Position = position;
            Write(octets);
        }
    }
}
