using Cutpoint.Formats.Ber;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>
/// Takes a BER snapshot that does not say enough of its machine to become a guest, the format's first writer's among them: it can be kept, verified and exported again to
/// the octet, but not started.
/// </summary>
internal static class BerForeignFile
{
    /// <summary>Reads a file twice: for its memory, then for everything else.</summary>
    /// <param name="input">The file; seekable.</param>
    /// <param name="memory">Takes blocks and pages.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    public static async Task<ImportedGuest> ImportAsync(Stream input, StagedMemory memory, CancellationToken cancellation)
    {
        var start = input.Position;
        var signs = new LostSigns();
        long others = 0;
        using (var reader = new BerSnapshotReader(input, BerReadMode.SeedCompatible))
        {
            while (await reader.ReadAsync(cancellation))
            {
                switch (reader.Event)
                {
                    case BerSnapshotEvent.RamBlocks when reader.RamBlocks.All(block => block.Length % Paging.PageSize == 0):
                        foreach (var block in reader.RamBlocks) memory.AddBlock(new RamBlock(block.Name, (long)Math.Min(block.Length, long.MaxValue)));
                        break;
                    case BerSnapshotEvent.RamEntry when reader.RamFlags is BerRamFlags.Page or BerRamFlags.Zero or BerRamFlags.Xbzrle:
                        if (!TryTake(reader, memory)) others++;
                        break;
                    case BerSnapshotEvent.Integer:
                        signs.Add(reader);
                        break;
                }
            }
        }
        input.Position = start;
        List<string> notes =
        [
            GuestCensus.NoChecksum,
            "the file does not say which machine its guest is of: the checkpoint can be verified and exported as BER again, to the octet, but not restored",
            .. signs.Notes(),
        ];
        if (others > 0)
            notes.Add($"{others} pages are differences, in pieces or not of {Paging.PageSize} octets: they are kept as they are, the checkpoint's memory lacks them");
        var description = new GuestDescription { Driver = BerOutline.Driver, Name = "", Uri = "", Blocks = memory.Blocks };
        return new ImportedGuest(description, [await BerOutline.MakeAsync(input, memory, cancellation)], notes);
    }

    private static bool TryTake(BerSnapshotReader reader, StagedMemory memory)
    {
        if (!BerOutline.TryPlace(reader, memory, out var block, out var number)) return false;
        var offset = number * Paging.PageSize;
        if (reader.RamFlags == BerRamFlags.Zero && reader.RamFill == 0)
        {
            memory.WriteZero(block, offset);
            return true;
        }
        if (reader.RamFlags == BerRamFlags.Zero)
        {
            Span<byte> page = stackalloc byte[Paging.PageSize];
            page.Fill(reader.RamFill);
            memory.Write(block, offset, page);
            return true;
        }
        if (!BerOutline.HasPage(reader)) return false;
        memory.Write(block, offset, reader.Contents);
        return true;
    }
}
