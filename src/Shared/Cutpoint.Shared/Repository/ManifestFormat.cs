using System.Buffers.Binary;
using System.Text;
using System.Text.Json;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Repository;

/// <summary>Reads and writes the value that holds a guest's manifest. Reading treats it as hostile, though its digest holds.</summary>
internal static class ManifestFormat
{
    public const int MaxNameLength = 255;
    private const int MaxBlocks = 4096;
    public const long MaxBlockLength = (long)Paging.ExtentSize * int.MaxValue;
    private const int MaxDevices = 65536;
    private const int EntryLength = sizeof(uint) + sizeof(ulong);

    public static byte[] Write(GuestManifest manifest, out Digest root)
    {
        var description = JsonSerializer.SerializeToUtf8Bytes(manifest.Description, RepositoryJson.Default.GuestDescription);
        var record = Encoding.UTF8.GetBytes(manifest.Record);
        var writer = new BackwardWriter(new byte[MaxLength(manifest, description.Length + record.Length)]);
        PackFormat.ReserveDigest(ref writer);

        var devicesEnd = writer.Start;
        for (var index = manifest.Devices.Count - 1; index >= 0; index--) WriteDevice(ref writer, manifest.Devices[index]);
        writer.Sequence(devicesEnd);
        var blocksEnd = writer.Start;
        for (var index = manifest.Blocks.Count - 1; index >= 0; index--)
            WriteBlock(ref writer, manifest.Blocks[index], manifest.Maps[index]);
        writer.Sequence(blocksEnd);
        var identities = writer.Contents(manifest.Sections.Length * Digest.Length);
        for (var index = 0; index < manifest.Sections.Length; index++)
            manifest.Sections[index].CopyTo(identities[(index * Digest.Length)..]);
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + identities.Length);
        writer.Octets(record);
        writer.Octets(description);
        writer.Text(manifest.Name);
        writer.Integer(PackFormat.Version);
        root = PackFormat.Close(ref writer, PackFormat.ManifestTag);
        return writer.Written.ToArray();
    }

    public static GuestManifest Read(ReadOnlySpan<byte> value, long offset)
    {
        var fields = PackFormat.Open(value, PackFormat.ManifestTag, offset, out var root);
        PackFormat.ReadVersion(ref fields);
        var name = fields.ReadUtf8String(MaxNameLength);
        var description = ReadDescription(ref fields);
        var record = Encoding.UTF8.GetString(fields.ReadPrimitive(BerTag.OctetString));
        var sections = ReadSections(ref fields);

        var blockFields = fields.ReadConstructed(BerTag.Sequence);
        var blocks = new List<RamBlock>();
        var maps = new List<BlockMap>();
        while (!blockFields.IsAtEnd)
        {
            if (blocks.Count == MaxBlocks) throw PackFormat.Damaged(blockFields.Position, $"more than {MaxBlocks} RAM blocks");
            ReadBlock(ref blockFields, sections.Length, out var block, out var map);
            blocks.Add(block);
            maps.Add(map);
        }
        var deviceFields = fields.ReadConstructed(BerTag.Sequence);
        var devices = new List<DeviceInfo>();
        while (!deviceFields.IsAtEnd)
        {
            if (devices.Count == MaxDevices) throw PackFormat.Damaged(deviceFields.Position, $"more than {MaxDevices} devices");
            devices.Add(ReadDevice(ref deviceFields, sections.Length));
        }
        return new GuestManifest(name, root, description, record, blocks, maps, devices, sections);
    }

    private static void WriteDevice(ref BackwardWriter writer, DeviceInfo device)
    {
        var end = writer.Start;
        WriteNumbers(ref writer, device.DescriptionSections);
        writer.Integer((ulong)device.DescriptionLength);
        WriteNumbers(ref writer, device.StateSections);
        writer.Integer((ulong)device.Length);
        writer.Integer(device.Version);
        writer.Integer(device.Unit.Instance);
        writer.Text(device.Unit.Name);
        writer.Sequence(end);
    }

    private static DeviceInfo ReadDevice(ref BerSpanReader devices, int sections)
    {
        var fields = devices.ReadConstructed(BerTag.Sequence);
        var name = fields.ReadUtf8String(MaxNameLength);
        var instance = (uint)fields.ReadUnsigned("instance", uint.MaxValue);
        var version = (uint)fields.ReadUnsigned("version", uint.MaxValue);
        var length = (long)fields.ReadUnsigned("length of the state", long.MaxValue);
        var state = ReadNumbers(ref fields, sections, length);
        var descriptionLength = (long)fields.ReadUnsigned("length of the description", long.MaxValue);
        var description = ReadNumbers(ref fields, sections, descriptionLength);
        return new DeviceInfo(new UnitKey(name, instance), version, length, descriptionLength)
        {
            StateSections = state,
            DescriptionSections = description,
        };
    }

    private static void WriteNumbers(ref BackwardWriter writer, int[] numbers)
    {
        var octets = writer.Contents(numbers.Length * sizeof(int));
        for (var index = 0; index < numbers.Length; index++)
            BinaryPrimitives.WriteInt32BigEndian(octets[(index * sizeof(int))..], numbers[index]);
        writer.Header(BerTag.OctetString, isConstructed: false, writer.Start + octets.Length);
    }

    private static int[] ReadNumbers(ref BerSpanReader fields, int sections, long length)
    {
        var position = fields.Position;
        var octets = fields.ReadPrimitive(BerTag.OctetString);
        // Every section but the last is full, so the count follows from the length.
        if (octets.Length % sizeof(int) != 0 || octets.Length / sizeof(int) != DeviceInfo.SectionCount(length))
            throw PackFormat.Damaged(position, $"{octets.Length} octets of section numbers for a state of {length} octets");
        var numbers = new int[octets.Length / sizeof(int)];
        for (var index = 0; index < numbers.Length; index++)
        {
            numbers[index] = BinaryPrimitives.ReadInt32BigEndian(octets[(index * sizeof(int))..]);
            if ((uint)numbers[index] >= (uint)sections) throw PackFormat.Damaged(position, $"section {numbers[index]} of {sections}");
        }
        return numbers;
    }

    private static void WriteBlock(ref BackwardWriter writer, RamBlock block, BlockMap map)
    {
        var end = writer.Start;
        for (var index = map.Extents.Length - 1; index >= 0; index--)
        {
            var entries = map.EntriesAt(index);
            for (var entry = entries.Length - 1; entry >= 0; entry--)
            {
                var octets = writer.Contents(EntryLength);
                BinaryPrimitives.WriteUInt32BigEndian(octets, entries[entry].Place);
                BinaryPrimitives.WriteUInt64BigEndian(octets[sizeof(uint)..], entries[entry].Mask);
            }
            writer.Contents(1)[0] = (byte)entries.Length;
            BinaryPrimitives.WriteInt32BigEndian(writer.Contents(sizeof(int)), map.Extents[index]);
        }
        writer.Header(BerTag.OctetString, isConstructed: false, end);
        writer.Integer(block.IsReadOnly ? 1UL : 0UL);
        writer.Integer((ulong)block.Length);
        writer.Text(block.Name);
        writer.Sequence(end);
    }

    private static void ReadBlock(ref BerSpanReader blocks, int sections, out RamBlock block, out BlockMap map)
    {
        var fields = blocks.ReadConstructed(BerTag.Sequence);
        var name = fields.ReadUtf8String(MaxNameLength);
        var length = (long)fields.ReadUnsigned("length of the block", (ulong)MaxBlockLength);
        if (length % Paging.PageSize != 0)
            throw PackFormat.Damaged(fields.Position, $"RAM block '{name}' has {length} octets, no whole pages");
        block = new RamBlock(name, length, fields.ReadUnsigned("read-only", 1) != 0);
        var position = fields.Position;
        var octets = fields.ReadPrimitive(BerTag.OctetString);
        map = ReadMap(octets, block, sections, position);
    }

    private static BlockMap ReadMap(ReadOnlySpan<byte> octets, RamBlock block, int sections, long position)
    {
        var extents = new List<int>();
        var first = new List<int>();
        var entries = new List<ManifestEntry>();
        while (!octets.IsEmpty)
        {
            if (octets.Length < sizeof(int) + 1) throw Wrong("its list of extents is cut short");
            var extent = BinaryPrimitives.ReadInt32BigEndian(octets);
            var count = octets[sizeof(int)];
            octets = octets[(sizeof(int) + 1)..];
            if ((uint)extent >= (uint)block.ExtentCount || (extents.Count > 0 && extent <= extents[^1]))
                throw Wrong($"extent {extent} is out of order or range");
            if (count is 0 or > BlockMap.MaxEntries || octets.Length < count * EntryLength)
                throw Wrong($"extent {extent} has {count} entries");
            extents.Add(extent);
            first.Add(entries.Count);
            var free = PagesOf(block, extent);
            for (; count > 0; count--, octets = octets[EntryLength..])
            {
                var entry = new ManifestEntry(
                    BinaryPrimitives.ReadUInt32BigEndian(octets), BinaryPrimitives.ReadUInt64BigEndian(octets[sizeof(uint)..]));
                if (entry.Section >= sections) throw Wrong($"extent {extent} names section {entry.Section} of {sections}");
                if (entry.Mask == 0 || (entry.Mask & ~free) != 0)
                    throw Wrong($"extent {extent} names a page twice, or one outside of the block");
                free &= ~entry.Mask;
                entries.Add(entry);
            }
        }
        first.Add(entries.Count);
        return new BlockMap([.. extents], [.. first], [.. entries]);

        Cutpoint.Formats.MalformedInputException Wrong(string reason) =>
            PackFormat.Damaged(position, $"RAM block '{block.Name}': {reason}");
    }

    /// <summary>The pages an extent of a block has: fewer than 64 only in the last one.</summary>
    public static ulong PagesOf(RamBlock block, int extent)
    {
        var pages = block.PageCount - ((long)extent * Paging.PagesPerExtent);
        return pages >= Paging.PagesPerExtent ? ulong.MaxValue : (1UL << (int)pages) - 1;
    }

    private static GuestDescription ReadDescription(ref BerSpanReader fields)
    {
        var position = fields.Position;
        try
        {
            var description = JsonSerializer.Deserialize(fields.ReadPrimitive(BerTag.OctetString), RepositoryJson.Default.GuestDescription);
            return description is null || description.HasNulls() ? throw PackFormat.Damaged(position, "the guest has no whole description") : description;
        }
        catch (JsonException error)
        {
            throw PackFormat.Damaged(position, $"the guest's description is not what it should be: {error.Message}");
        }
    }

    private static Digest[] ReadSections(ref BerSpanReader fields)
    {
        var position = fields.Position;
        var octets = fields.ReadPrimitive(BerTag.OctetString);
        if (octets.Length % Digest.Length != 0 || octets.Length / Digest.Length > ManifestEntry.MaxSections)
            throw PackFormat.Damaged(position, $"{octets.Length} octets of section identities");
        var sections = new Digest[octets.Length / Digest.Length];
        for (var index = 0; index < sections.Length; index++)
            sections[index] = new Digest(octets.Slice(index * Digest.Length, Digest.Length));
        return sections;
    }

    private static int MaxLength(GuestManifest manifest, int texts)
    {
        const int NumberLength = 11, HeaderLength = 6;
        long length = texts + (manifest.Sections.LongLength * Digest.Length) + BackwardWriter.DigestElementLength + NumberLength
            + (16 * HeaderLength);
        length += MaxNameLength;
        foreach (var device in manifest.Devices)
        {
            length += MaxNameLength + (4 * NumberLength) + (4 * HeaderLength)
                + (sizeof(int) * (long)(device.StateSections.Length + device.DescriptionSections.Length));
        }
        for (var block = 0; block < manifest.Blocks.Count; block++)
        {
            var map = manifest.Maps[block];
            length += MaxNameLength + (2 * NumberLength) + (4 * HeaderLength) + (map.Extents.Length * (sizeof(int) + 1L))
                + (map.EntryCount * (long)EntryLength);
        }
        if (length <= PackFormat.MaxValueLength) return (int)length;
        throw new SnapshotException(
            ErrorCode.Incompatible, $"the manifest of guest '{manifest.Name}' would have {length} octets",
            "the guest is too large for this version");
    }
}
