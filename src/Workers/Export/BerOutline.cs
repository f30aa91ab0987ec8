using System.Buffers;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Export;

/// <summary>
/// A BER snapshot of another writer in a checkpoint. What such a file says of its guest is not enough to make a guest of it, but nothing of it is lost: the pages are the
/// checkpoint's memory, and everything between them is kept octet by octet as the state of one unit, the outline:
/// <code>
/// repeat: length, that many octets of the file, block + 1, number of the page in the block     (lengths and numbers as LEB128; block 0 stands for no page, at the end)
/// </code>
/// </summary>
internal static class BerOutline
{
    /// <summary>The driver of such guests: none starts them.</summary>
    public const string Driver = "ber";

    /// <summary>Octets of an outline that are taken: a file of about eight million pages.</summary>
    public const int MaxLength = 256 << 20;

    private const uint Version = 1;

    private static readonly UnitKey Unit = new(BerGuest.NamePrefix + "outline", 0);

    /// <summary>The outline among a guest's devices, or null: the guest does not come from such a file.</summary>
    public static DeviceState? Of(StoredGuest guest) => guest.Devices.FirstOrDefault(device => device.Unit == Unit);

    /// <summary>Reads a file for the second time: pages that are as the memory has them in the end are left out.</summary>
    /// <param name="input">The file from its start.</param>
    /// <param name="memory">The memory after the whole file; without blocks, no page is left out.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    /// <exception cref="SnapshotException">The file has more beside its pages than is taken.</exception>
    public static async Task<DeviceState> MakeAsync(Stream input, StagedMemory memory, CancellationToken cancellation)
    {
        var octets = new ArrayBufferWriter<byte>();
        var source = new PassedOctets(input, MaxLength, TooLong);
        var page = new byte[Paging.PageSize];
        using var reader = new BerSnapshotReader(source, BerReadMode.SeedCompatible);
        while (await reader.ReadAsync(cancellation))
        {
            if (reader.Event != BerSnapshotEvent.RamEntry || !HasPage(reader) || !TryPlace(reader, memory, out var block, out var number)) continue;
            memory.Read(block, number * Paging.PageSize, page);
            if (!reader.Contents.SequenceEqual(page)) continue;
            Add(octets, source.Take(reader.PageOffset));
            WriteNumber(octets, (ulong)block + 1);
            WriteNumber(octets, (ulong)number);
            source.Take(reader.PageOffset + Paging.PageSize);
        }
        Add(octets, source.Take(source.End));
        WriteNumber(octets, 0);
        return new DeviceState(Unit, Version, octets.WrittenMemory);
    }

    /// <summary>True when a RAM entry has a page as memory takes it, in one piece.</summary>
    public static bool HasPage(BerSnapshotReader reader) => reader is { RamFlags: BerRamFlags.Page, PageOffset: >= 0, PageSize: Paging.PageSize };

    /// <summary>Where the page of a RAM entry belongs; false when it is no page of the memory's.</summary>
    public static bool TryPlace(BerSnapshotReader reader, StagedMemory memory, out int block, out long number)
    {
        (block, number) = (-1, (long)(reader.RamAddress / Paging.PageSize));
        if (reader.RamBlock is null || memory.BlockCount == 0 || reader.RamAddress % Paging.PageSize != 0) return false;
        for (block = 0; !ReferenceEquals(reader.RamBlocks[block], reader.RamBlock); block++)
        {
        }
        return true;
    }

    /// <summary>Writes the file again.</summary>
    /// <returns>Its length.</returns>
    /// <exception cref="MalformedInputException">The outline is damaged.</exception>
    public static async Task<long> WriteAsync(DeviceState outline, Exporter exporter, CancellationToken cancellation)
    {
        if (outline.Version != Version)
            throw new SnapshotException(ErrorCode.Incompatible, $"the outline of the BER file has version {outline.Version}, this program knows {Version}", "use a newer version of Cutpoint");
        var output = new OutputBuffer(exporter.Output.Stream);
        var pages = new ExtentWindow(exporter.Guest);
        var pieces = new BerOutlineReader(outline.State, exporter.Guest.Blocks);
        while (pieces.Read())
        {
            output.Write(pieces.Octets.Span);
            if (pieces.Page is { } page) output.Write((await pages.ReadAsync(page.Block, page.Number * Paging.PageSize, cancellation)).Span);
            await output.FlushIfFullAsync(cancellation);
            exporter.Progress?.Report(output.Position);
        }
        await output.FlushAsync(cancellation);
        return output.Position;
    }

    private static void Add(ArrayBufferWriter<byte> outline, ReadOnlySpan<byte> octets)
    {
        if (octets.Length > MaxLength - outline.WrittenCount) throw TooLong();
        WriteNumber(outline, (ulong)octets.Length);
        outline.Write(octets);
    }

    private static void WriteNumber(ArrayBufferWriter<byte> outline, ulong number)
    {
        for (; number >= 0x80; number >>= 7) outline.Write([(byte)(number | 0x80)]);
        outline.Write([(byte)number]);
    }

    private static SnapshotException TooLong() => new(
        ErrorCode.Incompatible, $"the BER file has more than {MaxLength} octets beside its pages, which is what a checkpoint keeps of a foreign file", "inspect it instead");

    /// <summary>Reads pages an extent at a time: files mostly go by addresses.</summary>
    private sealed class ExtentWindow(StoredGuest guest)
    {
        private readonly byte[] _extent = new byte[Paging.ExtentSize];
        private (int Block, long Extent) _current = (-1, 0);

        public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(int block, long offset, CancellationToken cancellation)
        {
            var extent = offset / Paging.ExtentSize;
            if (_current != (block, extent))
            {
                var start = extent * Paging.ExtentSize;
                var length = (int)Math.Min(Paging.ExtentSize, guest.Blocks[block].Length - start);
                await guest.Reader.ReadAsync(block, start, _extent.AsMemory(0, length), cancellation);
                _current = (block, extent);
            }
            return _extent.AsMemory((int)(offset % Paging.ExtentSize), Paging.PageSize);
        }
    }
}
