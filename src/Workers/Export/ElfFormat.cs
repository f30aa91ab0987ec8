using System.Buffers;
using Cutpoint.Formats.Elf;

namespace Cutpoint.Workers.Export;

/// <summary>An ELF core with the guest's memory and registers: gdb, crash and makedumpfile open it.</summary>
internal sealed class ElfFormat : ExportFormat
{
    public override string Name => "elf";

    public override string Title => "ELF core for crash, gdb and makedumpfile";

    public override bool TakesRange => true;

    public override bool TakesPaging => true;

    internal override async Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation)
    {
        var guest = await DumpedGuest.LoadAsync(exporter, cancellation);
        var mappings = exporter.Paging ? await guest.Processors.WalkAsync(guest.Memory, cancellation) : null;
        var layout = new ElfCoreLayout(
            guest.Target, guest.Notes, guest.Ranges,
            mappings is null ? MemoryMapping.Identity(guest.Ranges) : MemoryMapping.Cut(mappings, guest.Ranges));
        var head = new ArrayBufferWriter<byte>((int)layout.MemoryOffset);
        layout.WriteHead(head);
        var image = new RawImage(exporter.Output);
        image.Write(0, head.WrittenSpan);
        var position = layout.MemoryOffset;
        var places = guest.Runs.Select(run => (exporter.Guest.PartOf(run), (position += (long)run.Length) - (long)run.Length));
        await new PlacedMemory(places).WriteAsync(exporter, image, cancellation);
        await image.CompleteAsync(layout.Length, cancellation);
        return layout.Length;
    }
}
