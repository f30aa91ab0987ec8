using Cutpoint.Formats.Ber;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>A BER snapshot in the reference profile: memory as RAM entries, devices as typed values.</summary>
internal sealed class BerFormat : ExportFormat
{
    public override string Name => "ber";

    public override string Title => "BER snapshot";

    internal override async Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation)
    {
        if (BerOutline.Of(exporter.Guest) is { } outline) return await BerOutline.WriteAsync(outline, exporter, cancellation);
        var stream = new MigrationStream(exporter.Guest);
        var output = new OutputBuffer(exporter.Output.Stream);
        using var values = new BerWriter(output);
        var writer = new BerGuestWriter(values);
        var devices = stream.Devices;
        var attachments = new Dictionary<string, ReadOnlyMemory<byte>> { [GuestAttachment.Name] = GuestAttachment.Write(exporter.Guest.Description) };
        writer.Begin(stream.Configuration, stream.Blocks, attachments, devices.Where(device => device.IsEarly));
        long done = 0;
        await foreach (var chunk in exporter.ReadAsync(stream.SentBlocks, cancellation))
        {
            using (chunk) done += Write(writer, chunk);
            await output.FlushIfFullAsync(cancellation);
            exporter.Progress?.Report(done);
        }
        writer.EndMemory();
        foreach (var device in devices.Where(device => !device.IsEarly)) writer.WriteDevice(device);
        writer.Complete();
        await output.FlushAsync(cancellation);
        return output.Position;
    }

    private static long Write(BerGuestWriter writer, PageChunk chunk)
    {
        long octets = 0;
        foreach (var page in ChunkPages.Of(chunk))
        {
            if (page.IsZero) writer.WriteZeroPage(chunk.Block, page.Offset);
            else writer.WritePage(chunk.Block, page.Offset, page.Octets);
            octets += Paging.PageSize;
        }
        return octets;
    }
}
