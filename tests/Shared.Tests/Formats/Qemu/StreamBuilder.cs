using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Writes streams octet by octet, right or wrong.</summary>
internal sealed class StreamBuilder
{
    public const int Page = 4096;

    private readonly MemoryStream _octets = new();

    public long Length => _octets.Length;

    public byte[] ToArray() => _octets.ToArray();

    public StreamBuilder U8(params int[] values)
    {
        foreach (var value in values) _octets.WriteByte((byte)value);
        return this;
    }

    public StreamBuilder U16(int value) => U8(value >> 8, value);

    public StreamBuilder U32(uint value)
    {
        Span<byte> octets = stackalloc byte[4];
        BinaryPrimitives.WriteUInt32BigEndian(octets, value);
        return Raw(octets);
    }

    public StreamBuilder U64(ulong value) => U32((uint)(value >> 32)).U32((uint)value);

    public StreamBuilder Name(string name) => U8(name.Length).Raw(Encoding.ASCII.GetBytes(name));

    public StreamBuilder Raw(ReadOnlySpan<byte> octets)
    {
        _octets.Write(octets);
        return this;
    }

    public StreamBuilder Fill(int count, byte value = 0)
    {
        for (var i = 0; i < count; i++) _octets.WriteByte(value);
        return this;
    }

    public StreamBuilder Header(params string[] capabilities)
    {
        Raw("QEVM"u8).U32(3).U8(7).U32(13).Raw("pc-i440fx-7.2"u8);
        if (capabilities.Length > 0) U8(5).Name("configuration/capabilities").U32(1).U32((uint)capabilities.Length);
        foreach (var capability in capabilities) Name(capability);
        return this;
    }

    public StreamBuilder Start(uint id, string name, uint version = 4) => U8(1).U32(id).Name(name).U32(0).U32(version);

    public StreamBuilder Part(uint id) => U8(2).U32(id);

    public StreamBuilder Footer(uint id) => U8(0x7e).U32(id);

    /// <summary>A RAM record's word.</summary>
    public StreamBuilder Word(ulong address, int flags) => U64(address | (uint)flags);

    /// <summary>The start of a stream with one block, and the start of a round.</summary>
    public StreamBuilder Memory(int pages, string block = "ram0") =>
        Header().Start(2, "ram").Word((ulong)pages * Page, 4).Name(block).U64((ulong)pages * Page).Word(0, 0x10).Footer(2).Part(2);

    public StreamBuilder EndRound() => Word(0, 0x10).Footer(2);

    public StreamBuilder Device(uint id, string name, uint version, ReadOnlySpan<byte> payload) =>
        U8(4).U32(id).Name(name).U32(0).U32(version).Raw(payload).Footer(id);

    public StreamBuilder End(string? devices)
    {
        U8(0);
        if (devices is null) return this;
        var json = Encoding.UTF8.GetBytes($$"""{"page_size":4096,"devices":[{{devices}}]}""");
        return U8(6).U32((uint)json.Length).Raw(json);
    }

    public static string Describe(string name, int version, params string[] fields) =>
        $$"""{"name":"{{name}}","instance_id":0,"vmsd_name":"{{name}}","version":{{version}},"fields":[{{string.Join(',', fields)}}]}""";

    public static string Field(string name, string type, int size) => $$"""{"name":"{{name}}","type":"{{type}}","size":{{size}}}""";

    public static string Array(string name, string type, int size, int length) =>
        $$"""{"name":"{{name}}","array_len":{{length}},"type":"{{type}}","size":{{size}}}""";

    public static string Struct(string name, int size, string fields, int? length = null)
    {
        var array = length is null ? "" : $"\"array_len\":{length},";
        var state = $$"""{"vmsd_name":"s","version":1,"fields":[{{fields}}]}""";
        return $$"""{"name":"{{name}}",{{array}}"type":"struct","size":{{size}},"struct":{{state}}}""";
    }
}
