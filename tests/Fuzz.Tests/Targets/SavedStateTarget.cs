using Cutpoint.Formats.Ssm;

namespace Cutpoint.Fuzz.Targets;

/// <summary>VirtualBox's saved state: structure, checksums, compressed records; forward, from a stream that cannot seek, and unit by unit through the directory.</summary>
public sealed class SavedStateTarget : FuzzTarget
{
    public override string Name => "sav";

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0x92], [0x93], [0x94], [0x91], [0x90], [0x96], [0xc2, 0x80], [0xe0, 0x80, 0x80], [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf], "\nUnit\n\0\0"u8.ToArray(), "\nDir\n\0\0\0"u8.ToArray()];

    /// <summary>Mostly everything; what is damaged by accident has wrong checksums, here or there.</summary>
    public override void Seal(byte[] octets, Random random)
    {
        switch (random.Next(8))
        {
            case 0:
                break;
            case 1:
                SavedStateSeal.Ends(octets);
                break;
            case 2:
                SavedStateSeal.All(octets);
                break;
            default:
                SavedStateSeal.Frame(octets);
                SavedStateSeal.All(octets);
                break;
        }
    }

    public override void Read(byte[] octets, Random random)
    {
        if (random.Next(4) == 0)
        {
            // From a connection there is no footer to look at first; versions before 2.0 are refused.
            var forward = SavedStateReader.OpenAsync(new ForwardStream(octets), CancellationToken.None).AsTask().GetAwaiter().GetResult();
            ReadAll(forward, random);
            return;
        }
        SavedStateReader.Validate(new MemoryStream(octets), checksum: random.Next(2) == 0);
        var reader = SavedStateReader.Open(new MemoryStream(octets));
        var units = ReadAll(reader, random);
        if (units.Count > 0 && random.Next(4) == 0) Seek(reader, units[random.Next(units.Count)], random);
    }

    protected override IEnumerable<byte[]> Golden() => GoldenFiles.Of("Ssm", "*.sav");

    private static List<SavedStateUnit> ReadAll(SavedStateReader reader, Random random)
    {
        List<SavedStateUnit> units = [];
        while (reader.NextUnit() is { } unit)
        {
            units.Add(unit);
            if (random.Next(4) != 0) ReadUnit(reader, random);
        }
        return units;
    }

    private static void ReadUnit(SavedStateReader reader, Random random)
    {
        Span<byte> data = stackalloc byte[4096];
        while (reader.Read(data[..random.Next(1, data.Length)]) > 0)
        {
        }

        reader.End();
    }

    private static void Seek(SavedStateReader reader, SavedStateUnit sought, Random random)
    {
        try
        {
            var found = reader.Seek(sought.Name, sought.Instance);
            if (found.Name != sought.Name || found.Instance != sought.Instance) throw new InvalidOperationException("another unit than the one sought");
        }
        catch (SavedStateException error) when (error.Status == SavedStateStatus.UnitNotFound)
        {
            // A directory need not list every unit.
            return;
        }

        ReadUnit(reader, random);
    }
}
