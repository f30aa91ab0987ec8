using System.Text;
using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>A saved state of VirtualBox's format, version 2.0: a unit for each RAM block and device. Blocks of memory are compressed on all processors.</summary>
internal sealed class SavFormat : ExportFormat
{
    public override string Name => "sav";

    public override string Title => "saved state (VirtualBox's format)";

    internal override async Task<long> WriteAsync(Exporter exporter, CancellationToken cancellation)
    {
        var guest = exporter.Guest;
        var output = new OutputBuffer(exporter.Output.Stream);
        var units = 2 + guest.Blocks.Count + guest.Devices.Count;
        var writer = new SavedStateWriter(new OutputBufferStream(output), new SavedStateHeader { UnitCount = units });
        var values = new SavedStateValueWriter(writer);
        WriteInformation(writer, values);
        WriteDescription(writer, values, guest.Description);
        long done = 0;
        for (var block = 0; block < guest.Blocks.Count; block++)
        {
            writer.BeginUnit(SavedGuestUnits.Memory, (uint)block, SavedGuestUnits.LayoutVersion, SavedStateUnit.FinalPass);
            values.PutText(guest.Blocks[block].Name);
            values.PutUInt64((ulong)guest.Blocks[block].Length);
            values.PutBoolean(guest.Blocks[block].IsReadOnly);
            done += await WriteMemoryAsync(exporter, block, writer, output, done, cancellation);
            writer.EndUnit();
        }
        foreach (var device in guest.Devices)
        {
            WriteDevice(writer, values, device);
            await output.FlushIfFullAsync(cancellation);
        }
        writer.Finish();
        await output.FlushAsync(cancellation);
        return output.Position;
    }

    private static void WriteInformation(SavedStateWriter writer, SavedStateValueWriter values)
    {
        writer.BeginUnit(SavedGuestUnits.Information, 0, 1, SavedStateUnit.FinalPass);
        foreach (var (name, value) in SavedGuestUnits.OwnInformation)
        {
            values.PutText(name);
            values.PutText(value);
        }
        values.PutText("");
        values.PutText("");
        writer.EndUnit();
    }

    private static void WriteDescription(SavedStateWriter writer, SavedStateValueWriter values, GuestDescription description)
    {
        writer.BeginUnit(SavedGuestUnits.Description, 0, SavedGuestUnits.LayoutVersion, SavedStateUnit.FinalPass);
        PutOctets(values, GuestAttachment.Write(description));
        writer.EndUnit();
    }

    private static void WriteDevice(SavedStateWriter writer, SavedStateValueWriter values, DeviceState device)
    {
        writer.BeginUnit(UnitName(device.Unit.Name), device.Unit.Instance, device.Version, SavedStateUnit.FinalPass);
        values.PutText(device.Unit.Name);
        PutOctets(values, device.Description.Span);
        PutOctets(values, device.State.Span);
        writer.EndUnit();
    }

    private static void PutOctets(SavedStateValueWriter values, ReadOnlySpan<byte> octets)
    {
        values.PutUInt32((uint)octets.Length);
        values.PutMemory(octets);
    }

    /// <summary>A device's name where it fits into a unit's, else its end, which tells devices apart, with a checksum of all of it. The unit's data have it whole.</summary>
    private static string UnitName(string name)
    {
        var octets = Encoding.UTF8.GetByteCount(name);
        if (octets <= SavedStateUnit.MaxNameLength) return name;
        const int Kept = 36;
        var tail = name[Math.Max(0, name.Length - Kept)..];
        while (Encoding.UTF8.GetByteCount(tail) > Kept) tail = tail[1..];
        return $"{Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(name)).AsSpan(0, 4))}..{tail}";
    }

    /// <summary>Compresses side by side, appends in order.</summary>
    private static async Task<long> WriteMemoryAsync(
        Exporter exporter, int block, SavedStateWriter writer, OutputBuffer output, long before, CancellationToken cancellation)
    {
        long done = 0;
        var slots = Environment.ProcessorCount + 1;
        await using var stage = new Capture.OrderedStage<PageChunk, EncodedMemory>(
            1, slots,
            EncodedMemory.Of,
            async (encoded, _) =>
            {
                using (encoded)
                {
                    writer.WriteEncoded(encoded.Records, encoded.MemoryOctets);
                    done += encoded.MemoryOctets;
                }
                // Not by the stage: the write it begins outlives it.
                await output.FlushIfFullAsync(cancellation);
                exporter.Progress?.Report(before + done);
            },
            cancellation);
        // The stage's own fault is the cause; the wait for a place ends with it.
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, stage.Ending);
        try
        {
            await foreach (var chunk in exporter.ReadAsync([block], either.Token)) await stage.AddAsync(chunk, either.Token);
            stage.Complete();
        }
        catch (Exception) when (stage.Fault is not null)
        {
            cancellation.ThrowIfCancellationRequested();
        }
        await stage.Completion;
        return done;
    }
}
