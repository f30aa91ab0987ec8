using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Shared.Tests.Formats.Ssm;

/// <summary>Puts a saved state together octet by octet, right or wrong, without the code under test.</summary>
internal sealed class RawSavedState
{
    private readonly MemoryStream _octets = new();
    private readonly List<byte[]> _entries = [];
    private long _data;

    public RawSavedState(int units = 1, Action<byte[]>? change = null)
    {
        var header = new byte[64];
        "\x7fVirtualBox SavedState V2.0\n"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(32), 7);
        BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(34), 1);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(36), 6);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(40), 167084);
        (header[44], header[45], header[46]) = (64, 8, 8);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(48), units);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(52), 1);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(56), 4096);
        change?.Invoke(header);
        Seal(header, 60);
        _octets.Write(header);
    }

    /// <summary>CRC-32 bit by bit.</summary>
    public static uint Checksum(ReadOnlySpan<byte> octets)
    {
        var crc = uint.MaxValue;
        foreach (var octet in octets)
        {
            crc ^= octet;
            for (var bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ ((crc & 1) * 0xEDB88320);
        }
        return ~crc;
    }

    public RawSavedState Unit(string name, uint instance, uint version, Action<byte[]>? change = null, bool isListed = true)
    {
        var octets = Encoding.UTF8.GetBytes(name + "\0");
        if (isListed) List(_octets.Length, instance, Checksum(octets.AsSpan(0, octets.Length - 1)));
        Header("\nUnit\n\0\0"u8, octets, version, instance, change);
        _data = _octets.Length;
        return this;
    }

    public RawSavedState Octets(params byte[] octets)
    {
        _octets.Write(octets);
        return this;
    }

    public RawSavedState Terminator(Action<byte[]>? change = null)
    {
        var terminator = new byte[16];
        (terminator[0], terminator[1]) = (0x91, 0x0E);
        _octets.Write(terminator.AsSpan(0, 2));
        BinaryPrimitives.WriteUInt16LittleEndian(terminator.AsSpan(2), 1);
        BinaryPrimitives.WriteUInt32LittleEndian(terminator.AsSpan(4), Checksum(_octets.ToArray()));
        BinaryPrimitives.WriteInt64LittleEndian(terminator.AsSpan(8), _octets.Length + 14 - _data);
        _octets.SetLength(_octets.Length - 2);
        change?.Invoke(terminator);
        _octets.Write(terminator);
        return this;
    }

    public RawSavedState End(Action<byte[]>? change = null)
    {
        Header("\nTheEnd\0"u8, [], 0, 0, change);
        return this;
    }

    public byte[] Finish(Action<byte[]>? changeDirectory = null, Action<byte[]>? changeFooter = null)
    {
        var directory = new byte[16 + (16 * _entries.Count)];
        "\nDir\n\0\0\0"u8.CopyTo(directory);
        BinaryPrimitives.WriteInt32LittleEndian(directory.AsSpan(12), _entries.Count);
        for (var i = 0; i < _entries.Count; i++) _entries[i].CopyTo(directory, 16 + (16 * i));
        changeDirectory?.Invoke(directory);
        Seal(directory, 8);
        _octets.Write(directory);
        var footer = new byte[32];
        "\nFooter\0"u8.CopyTo(footer);
        BinaryPrimitives.WriteInt64LittleEndian(footer.AsSpan(8), _octets.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(footer.AsSpan(16), Checksum(_octets.ToArray()));
        BinaryPrimitives.WriteInt32LittleEndian(footer.AsSpan(20), _entries.Count);
        changeFooter?.Invoke(footer);
        Seal(footer, 28);
        _octets.Write(footer);
        return _octets.ToArray();
    }

    public static void Seal(byte[] octets, int at)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(octets.AsSpan(at), 0);
        BinaryPrimitives.WriteUInt32LittleEndian(octets.AsSpan(at), Checksum(octets));
    }

    private void List(long offset, uint instance, uint name)
    {
        var entry = new byte[16];
        BinaryPrimitives.WriteInt64LittleEndian(entry, offset);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(8), instance);
        BinaryPrimitives.WriteUInt32LittleEndian(entry.AsSpan(12), name);
        _entries.Add(entry);
    }

    private void Header(ReadOnlySpan<byte> magic, byte[] name, uint version, uint instance, Action<byte[]>? change)
    {
        var header = new byte[44 + name.Length];
        magic.CopyTo(header);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(8), _octets.Length);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(16), Checksum(_octets.ToArray()));
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(24), version);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(28), instance);
        BinaryPrimitives.WriteUInt32LittleEndian(header.AsSpan(32), uint.MaxValue);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(40), name.Length);
        name.CopyTo(header, 44);
        change?.Invoke(header);
        Seal(header, 20);
        _octets.Write(header);
    }
}
