using System.Buffers.Binary;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Fuzz.Targets;

/// <summary>
/// Structures of a saved state and the tables that describe them, which are read from the same unit in front of each:
/// <code>
/// hosts │ size of the structure, 2 octets │ flags, 4 │ fields │ for each: numbering, number, offset 4, size 4, first version 4 │ the structure as saved
/// </code>
/// A number that means no transformer is a callback, as in the original.
/// </summary>
public sealed class StructureTarget : FuzzTarget
{
    private const int MaxStructure = 1024;
    private const uint Version = 3;

    public override string Name => "structure";

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        [0x02, 0x01, 0x20, 0x19], [0x06, 0x04, 0x92, 0x19], [0xff, 0xff, 0xff, 0x3f], [0xff, 0xff, 0xff, 0x7f], .. Enumerable.Range(1, 26).Select(number => new byte[] { 0, (byte)number }),
        [8, 0, 0, 0, 8, 0, 0, 0], [4, 0, 0, 0, 4, 0, 0, 0], [0, 0, 1, 0], [1, 0], [0x3f, 0, 0, 0],
    ];

    public override void Seal(byte[] octets, Random random) => SavedStateSeal.All(octets);

    public override void Read(byte[] octets, Random random)
    {
        var reader = SavedStateReader.Open(new MemoryStream(octets));
        while (reader.NextUnit() is not null)
        {
            var hosts = new SavedStateValueReader(reader).GetUInt8();
            var values = new SavedStateValueReader(reader, Host(hosts)) { Saver = Host(hosts >> 4) };
            var structure = new byte[Math.Min((int)values.GetUInt16(), MaxStructure)];
            var flags = (SavedStateStructureFlags)values.GetUInt32();
            var fields = new SavedStateField[values.GetUInt8()];
            for (var i = 0; i < fields.Length; i++) fields[i] = ReadField(values);
            if (random.Next(8) == 0) values.GetStructure(structure, fields);
            else values.GetStructure(structure, flags, fields);
            values.ThrowIfFailed();
            reader.End();
        }
    }

    protected override IEnumerable<byte[]> Golden()
    {
        SavedStateField[] plain =
        [
            new("a", SavedStateTransformer.None, 0, 8), new("b", SavedStateTransformer.GuestPhysical, 8, 8), new("c", SavedStateTransformer.GuestPointer, 16, 8),
            new("d", SavedStateTransformer.RawPointer, 24, 4), new("e", SavedStateTransformer.RawPointerArray, 28, 12),
        ];
        SavedStateField[] every =
        [
            .. plain, new("f", SavedStateTransformer.HostPointerIsSet, 40, 8), new("g", SavedStateTransformer.HostPointerIsSetArray, 48, 16),
            new("h", SavedStateTransformer.HostPointerAsNumber, 64, 8), new("i", SavedStateTransformer.Ignored, 72, 8), new("j", SavedStateTransformer.IgnoredHostPointer, 80, 8),
            SavedStateField.Gone("k", SavedStateTransformer.Old, 20), SavedStateField.Gone("l", SavedStateTransformer.OldHostPointer),
            SavedStateField.Gone("m", SavedStateTransformer.OldPadding, SavedStateField.OldPaddingSize(4, 8)),
            new("n", SavedStateTransformer.Padding, 88, SavedStateField.PaddingSize(4, 8, 8)), new("o", SavedStateTransformer.None, 96, 4, FirstVersion: Version),
            new("p", SavedStateTransformer.None, 100, 28),
        ];
        yield return File((plain, SavedStateStructureFlags.None, 40));
        yield return File((every, SavedStateStructureFlags.FullStructure, 128), (every, SavedStateStructureFlags.DoNotIgnore, 128));
        yield return File((every, SavedStateStructureFlags.MemoryBandAid, 128), (plain, SavedStateStructureFlags.NoLeadMarker, 50), (plain, SavedStateStructureFlags.NoTailMarker, 60));
    }

    private static SavedStateHost Host(int bits) => new((bits & 1) == 0 ? 8 : 4, (bits & 2) == 0 ? 8 : 4, (bits & 4) == 0 ? 8 : 4, (bits & 8) != 0);

    private static SavedStateField ReadField(SavedStateValueReader values)
    {
        var numbering = (SavedStateNumbering)(values.GetUInt8() % 3);
        var transformer = SavedStateTransformers.FromNumber(values.GetUInt8(), numbering);
        var field = new SavedStateField("field", transformer ?? SavedStateTransformer.Invalid, values.GetUInt32(), values.GetUInt32(), values.GetUInt32());
        return transformer is not null ? field : field with { Get = static (from, _, to, _) => to[..Math.Min(to.Length, from.GetText(64).Length)].Clear() };
    }

    private static byte[] File(params (SavedStateField[] Fields, SavedStateStructureFlags Flags, int Size)[] structures)
    {
        var file = new MemoryStream();
        var writer = new SavedStateWriter(file, new SavedStateHeader { UnitCount = structures.Length });
        for (var i = 0; i < structures.Length; i++)
        {
            var (fields, flags, size) = structures[i];
            writer.BeginUnit("structure", (uint)i, Version, SavedStateUnit.FinalPass);
            var values = new SavedStateValueWriter(writer);
            values.PutUInt8(0);
            values.PutUInt16((ushort)size);
            values.PutUInt32((uint)flags);
            values.PutUInt8((byte)fields.Length);
            foreach (var field in fields) Write(values, field);
            var structure = new byte[size];
            // The upper half of a host pointer that is a number must be empty.
            for (var at = 0; at < size; at++) structure[at] = at % 8 < 4 ? (byte)at : (byte)0;
            values.PutStructure(structure, flags, fields);
            writer.EndUnit();
        }
        writer.Finish();
        return file.ToArray();
    }

    private static void Write(SavedStateValueWriter values, SavedStateField field)
    {
        Span<byte> octets = stackalloc byte[14];
        (octets[0], octets[1]) = ((byte)SavedStateNumbering.Modern, (byte)field.Transformer);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[2..], field.Offset);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[6..], field.Size);
        BinaryPrimitives.WriteUInt32LittleEndian(octets[10..], field.FirstVersion);
        values.PutMemory(octets);
    }
}
