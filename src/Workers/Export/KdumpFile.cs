using System.Globalization;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Kdump;

namespace Cutpoint.Workers.Export;

/// <summary>A kdump file of a guest, plain or flattened. Every page of it is decompressed.</summary>
internal sealed class KdumpFile : FileFormat
{
    public override string Name => "kdump";

    public override string Title => "kdump-compressed dump";

    public override bool Matches(ReadOnlySpan<byte> head) => KdumpHeader.Matches(head) || FlattenedOutput.Matches(head);

    public override async Task<FileInspection> InspectAsync(Stream input, CancellationToken cancellation)
    {
        var reader = await KdumpReader.OpenAsync(input, cancellation);
        var header = reader.Header;
        var blocks = new DumpBlocks();
        await reader.ReadPagesAsync(KdumpCodecs.For, (frame, page) => blocks.Add(frame * (ulong)header.BlockSize, page), cancellation);
        blocks.EndRun(0);
        return new FileInspection(Name, Title, input.Length)
        {
            Facts =
            [
                new("machine", header.MachineName), new("class", header.Target.Is64Bit ? "64 bit" : "32 bit"),
                new("byte order", header.Target.IsBigEndian ? "big-endian" : "little-endian"), new("form", reader.IsFlattened ? "flattened" : "plain"),
                new("compression", header.Compression.ToString().ToLowerInvariant()), new("page size", header.BlockSize.ToString(CultureInfo.InvariantCulture)),
                new("physical base", ((long)header.PhysicalBase).ToString(CultureInfo.InvariantCulture)), .. DumpNotes.Facts(reader.Notes),
            ],
            Blocks = blocks.Blocks,
            Units = DumpNotes.Describe(reader.Notes, header.Target.IsBigEndian),
            Notes = [.. DumpNotes.Remarks(reader.Notes), .. RemarksOf(reader), .. blocks.Remarks()],
        };
    }

    private static IEnumerable<string> RemarksOf(KdumpReader reader)
    {
        var kernel = reader.Notes.FirstOrDefault(note => note.Name == VmCoreInfo.NoteName);
        if (kernel is not null && VmCoreInfo.Number(kernel, "phys_base") is { } number && number != (long)reader.Header.PhysicalBase)
            yield return $"the header's physical base is not the kernel's, {number}: QEMU reads that number as a hexadecimal one, and makedumpfile finds no log then";
    }
}
