using System.Buffers.Binary;
using Cutpoint.Formats.Qemu;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>A file with a QEMU migration stream, mapped-ram files included.</summary>
internal sealed class QemuStreamFile : FileFormat
{
    private const uint Magic = 0x5145564d;

    public override string Name => "qemu";

    public override string Title => "QEMU migration stream";

    public override bool CanImport => true;

    public override bool Matches(ReadOnlySpan<byte> head) => head.Length >= 8 && BinaryPrimitives.ReadUInt32BigEndian(head) == Magic;

    public override async Task<FileInspection> InspectAsync(Stream input, CancellationToken cancellation)
    {
        var census = new GuestCensus();
        var part = await QemuStreamParser.ParseAsync(input, census, cancellation: cancellation);
        return new FileInspection(Name, Title, input.Length)
        {
            Facts = census.Facts(part.Devices),
            Blocks = census.Blocks,
            Units = [.. part.Devices.Select(GuestCensus.Describe)],
            Notes = [.. census.Notes(part.Devices)],
        };
    }

    internal override async Task<ImportedGuest> ImportAsync(Stream input, StagedMemory memory, CancellationToken cancellation)
    {
        var guest = new FileGuest(memory);
        var part = await QemuStreamParser.ParseAsync(input, guest, cancellation: cancellation);
        return new ImportedGuest(guest.Describe(part.Devices), QemuStoredState.StatesOf(part.Devices), [GuestCensus.NoChecksum]);
    }
}
