using Cutpoint.Formats.Ssm;

namespace Cutpoint.Fuzz.Targets;

/// <summary>VirtualBox's saved state: structure, checksums, compressed records.</summary>
public sealed class SavedStateTarget : FuzzTarget
{
    private const int HeaderSize = 64;
    private const int FooterSize = 32;

    public override string Name => "sav";

    public override IReadOnlyList<byte[]> Words { get; } =
        [[0x92], [0x93], [0x94], [0x91], [0x90], [0x96], [0xc2, 0x80], [0xe0, 0x80, 0x80], [0xfd, 0xbf, 0xbf, 0xbf, 0xbf, 0xbf], "\nUnit\n\0\0"u8.ToArray(), "\nDir\n\0\0\0"u8.ToArray()];

    /// <summary>Puts the checksums of header and footer right, and with them the length of the file. Those of units and directory are left: their data are read first.</summary>
    public override void Seal(byte[] octets)
    {
        if (octets.Length < HeaderSize + FooterSize || !octets.AsSpan().StartsWith("\x7FVirtualBox SavedState V2.0"u8)) return;
        SavedStateChecksum.Put(octets.AsSpan(0, HeaderSize), HeaderSize - sizeof(uint));
        var footer = octets.AsSpan(octets.Length - FooterSize);
        System.Buffers.Binary.BinaryPrimitives.WriteInt64LittleEndian(footer[8..], octets.Length - FooterSize);
        SavedStateChecksum.Put(footer, FooterSize - sizeof(uint));
    }

    public override void Read(byte[] octets, Random random)
    {
        SavedStateReader.Validate(new MemoryStream(octets), checksum: random.Next(2) == 0);
        var reader = SavedStateReader.Open(new MemoryStream(octets));
        Span<byte> data = stackalloc byte[4096];
        while (reader.NextUnit() is { } unit)
        {
            if (random.Next(4) == 0) continue;
            while (reader.Read(data[..random.Next(1, data.Length)]) > 0)
            {
            }

            reader.End();
            _ = unit.Name.Length;
        }

        foreach (var entry in reader.Directory) _ = entry.Offset;
    }

    protected override IEnumerable<byte[]> Golden() => GoldenFiles.Of("Ssm", "*.sav");
}
