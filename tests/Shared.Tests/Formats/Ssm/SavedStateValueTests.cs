using System.Buffers.Binary;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Shared.Tests.Formats.Ssm;

/// <summary>Typed values and structures, judged by what VirtualBox's own code wrote.</summary>
public sealed class SavedStateValueTests
{
    private const SavedStateStructureFlags DoNotIgnore = SavedStateStructureFlags.DoNotIgnore;

    /// <summary>The flags of the eight structures in the golden file, in its order.</summary>
    private static readonly int[] GoldenFlags = [0, 1, 4, 2, 0x10, 0x20, 0xF, 0xE];

    [Fact]
    public void Every_value_is_written_as_VirtualBox_writes_it()
    {
        Assert.Equal(Golden("prims"), Data(Written(7, values =>
        {
            values.PutBoolean(true);
            values.PutBoolean(false);
            values.PutUInt8(0xfe);
            values.PutInt8(-2);
            values.PutUInt16(0xfedc);
            values.PutInt16(-12345);
            values.PutUInt32(0xfedcba98);
            values.PutInt32(-1234567890);
            values.PutUInt64(0xfedcba9876543210);
            values.PutInt64(-1234567890123456789);
            values.PutUInt128(new UInt128(0xAFAEADACABAAA9A8, 0xA7A6A5A4A3A2A1A0));
            values.PutUInt32(0xcafebabe);
            values.PutInt32(-77);
            values.PutGuestPointer(0x1122334455667788);
            values.PutGuestPointer(0x99aabbccddeeff00);
            values.PutUInt32(0x89abcdef);
            values.PutUInt64(0x0123456789abcdef);
            values.PutGuestPhysical(0xfee00000);
            values.PutGuestPointer(0xffff800012345678);
            values.PutGuestPointer(0x00007fffdeadbeef);
            values.PutUInt32(0xa0000000);
            values.PutUInt16(0x3f8);
            values.PutUInt16(0x23);
            values.PutMemory("ABCDEFG"u8);
            values.PutText("");
            values.PutText("String");
            values.PutUInt32(0xffffffff);
        })));
    }

    [Fact]
    public void Every_value_is_read_as_it_was_written()
    {
        var values = At("basic.sav", "prims", 1);
        Assert.True(values.GetBoolean());
        Assert.False(values.GetBoolean());
        Assert.Equal((0xfe, -2, 0xfedc, -12345), (values.GetUInt8(), values.GetInt8(), values.GetUInt16(), values.GetInt16()));
        Assert.Equal((0xfedcba98U, -1234567890), (values.GetUInt32(), values.GetInt32()));
        Assert.Equal((0xfedcba9876543210UL, -1234567890123456789), (values.GetUInt64(), values.GetInt64()));
        Assert.Equal(new UInt128(0xAFAEADACABAAA9A8, 0xA7A6A5A4A3A2A1A0), values.GetUInt128());
        values.Skip(8);
        Assert.Equal((0x1122334455667788UL, 0x99aabbccddeeff00UL), (values.GetGuestPointer(), values.GetGuestPointer()));
        values.Skip(12);
        Assert.Equal((0xfee00000UL, 0xffff800012345678UL, 0x00007fffdeadbeefUL), (values.GetGuestPhysical(), values.GetGuestPointer(), values.GetGuestPointer()));
        values.Skip(4 + 2 + 2 + 7);
        Assert.Equal(("", "String", uint.MaxValue), (values.GetText(), values.GetText(), values.GetUInt32()));
        // Beyond the end every call fails, and goes on failing.
        Assert.Equal(SavedStateStatus.LoadedTooMuch, StatusOf(() => values.GetUInt8()));
        Assert.Equal(SavedStateStatus.LoadedTooMuch, StatusOf(() => values.GetMemory([])));
    }

    [Fact]
    public void A_structure_is_written_as_VirtualBox_writes_it_under_all_flags()
    {
        var octets = Written(2, values =>
        {
            values.PutStructure(Structure(), Simple);
            foreach (var flags in GoldenFlags) values.PutStructure(Structure(), (SavedStateStructureFlags)flags, Fields);
        });
        Assert.Equal(Convert.ToHexString(Golden("struct")), Convert.ToHexString(Data(octets)));
    }

    [Fact]
    public void A_structure_is_read_as_VirtualBox_reads_it_under_all_flags()
    {
        var values = At("basic.sav", "struct", 0);
        var simple = Filled();
        values.GetStructure(simple, Simple);
        Assert.Equal((0x11, 0x4c415445U), (simple[0], BinaryPrimitives.ReadUInt32LittleEndian(simple.AsSpan(112))));
        foreach (var flags in GoldenFlags)
        {
            var structure = Filled();
            values.GetStructure(structure, (SavedStateStructureFlags)flags, Fields);
            // The numbers the original's own reader gave for the same octets.
            Assert.Equal(1UL, U64(structure, 48));
            Assert.Equal((0UL, 1UL), (U64(structure, 56), U64(structure, 64)));
            Assert.Equal(0x8badf00dUL, U64(structure, 72));
            Assert.Equal(0x5a5a5a5a5a5a5a5aUL, U64(structure, 80));
            Assert.Equal(0x5a5a5a5aU, (uint)U64(structure, 108));
            Assert.Equal(0x5a5a5a5aU, (uint)U64(structure, 28));
            Assert.Equal(0x4c415445U, (uint)U64(structure, 112));
            Assert.Equal((0x7a, 0x7a), (structure[116], structure[117]));
        }
        Assert.Equal(SavedStateStatus.LoadedTooMuch, StatusOf(() => values.GetUInt8()));
    }

    [Fact]
    public void Data_older_than_a_field_leave_it_alone()
    {
        var (octets, old) = (Written(1, values => values.PutStructure(new byte[] { 1, 2 }, [Plain("a", 0, 1), Plain("b", 1, 1)])), Written(1, values => values.PutStructure(new byte[] { 1, 2 }, [Plain("a", 0, 1)])));
        SavedStateField[] fields = [Plain("a", 0, 1), Plain("b", 1, 1) with { FirstVersion = 2 }];
        var structure = new byte[] { 8, 9 };
        Reader(old, version: 1).GetStructure(structure, fields);
        Assert.Equal([1, 9], structure);
        Reader(octets, version: 2).GetStructure(structure, fields);
        Assert.Equal([1, 2], structure);
        // Where a unit was sought nothing is known of its version.
        var sought = Reader(octets, version: 1);
        sought.UnitVersion = uint.MaxValue;
        structure = [8, 9];
        sought.GetStructure(structure, fields);
        Assert.Equal([1, 2], structure);
    }

    [Theory]
    [InlineData(SavedStateStatus.FieldComplex, SavedStateTransformer.Ignored, 0, 4, true)]
    [InlineData(SavedStateStatus.FieldInvalidSize, SavedStateTransformer.GuestPhysical, 0, 4, false)]
    [InlineData(SavedStateStatus.FieldInvalidSize, SavedStateTransformer.GuestPointer, 0, 4, false)]
    [InlineData(SavedStateStatus.FieldInvalidSize, SavedStateTransformer.RawPointer, 0, 8, false)]
    [InlineData(SavedStateStatus.FieldInvalidSize, SavedStateTransformer.RawPointerArray, 0, 6, false)]
    [InlineData(SavedStateStatus.FieldInvalidSize, SavedStateTransformer.RawPointerArray, 0, 0, false)]
    [InlineData(SavedStateStatus.FieldInvalidSize, SavedStateTransformer.HostPointerIsSetArray, 0, 12, false)]
    [InlineData(SavedStateStatus.FieldOutOfBounds, SavedStateTransformer.None, 10, 8, false)]
    [InlineData(SavedStateStatus.FieldOutOfBounds, SavedStateTransformer.None, uint.MaxValue, uint.MaxValue, false)]
    [InlineData(SavedStateStatus.FieldInvalidCallback, SavedStateTransformer.Invalid, 0, 4, false)]
    [InlineData(SavedStateStatus.FieldInvalidPaddingSize, SavedStateTransformer.Padding, 0, 4u << 16, false)]
    [InlineData(SavedStateStatus.FieldInvalidPaddingSize, SavedStateTransformer.Padding64, SavedStateField.NoMember, (4u << 16) | (4u << 8), false)]
    [InlineData(SavedStateStatus.FieldLoadOnlyTransformation, SavedStateTransformer.ZeroExtended, 0, 8, false)]
    public void A_table_that_is_wrong_is_refused_and_stays_refused(SavedStateStatus expected, SavedStateTransformer transformer, long offset, long size, bool isSimple)
    {
        SavedStateField[] fields = [new("wrong", transformer, (uint)offset, (uint)size)];
        var writer = new SavedStateWriter(Stream.Null, new SavedStateHeader());
        writer.BeginUnit("u", 0, 1, 0);
        var values = new SavedStateValueWriter(writer);
        Assert.Equal(expected, StatusOf(() => Put(values)));
        Assert.Equal(expected, StatusOf(() => values.PutUInt8(1)));

        void Put(SavedStateValueWriter to)
        {
            if (isSimple) to.PutStructure(new byte[16], fields);
            else to.PutStructure(new byte[16], SavedStateStructureFlags.None, fields);
        }
    }

    [Fact]
    public void Gaps_unknown_flags_and_wide_numbers_are_refused()
    {
        Assert.Equal(SavedStateStatus.FieldNotConsecutive, Putting(SavedStateStructureFlags.FullStructure, new byte[4], Plain("a", 1, 3)));
        Assert.Equal(SavedStateStatus.FieldNotConsecutive, Putting(SavedStateStructureFlags.FullStructure, new byte[4], Plain("a", 0, 3)));
        Assert.Equal(SavedStateStatus.InvalidParameter, Putting((SavedStateStructureFlags)0x40, new byte[4], Plain("a", 0, 4)));
        Assert.Equal(SavedStateStatus.FieldInvalidValue, Putting(0, [0, 0, 0, 0, 1, 0, 0, 0], new SavedStateField("hack", SavedStateTransformer.HostPointerAsNumber, 0, 8)));
    }

    [Fact]
    public void Markers_that_are_missing_are_found()
    {
        var octets = Written(1, values => values.PutUInt32(7));
        Assert.Equal(SavedStateStatus.StructureMagic, StatusOf(() => Reader(octets, 1).GetStructure(new byte[1], [])));
        octets = Written(1, values => values.PutStructure(new byte[4], SavedStateStructureFlags.NoTailMarker, [Plain("a", 0, 4)]));
        Assert.Equal(SavedStateStatus.LoadedTooMuch, StatusOf(() => Reader(octets, 1).GetStructure(new byte[4], [Plain("a", 0, 4)])));
    }

    [Fact]
    public void A_number_of_32_bits_has_an_empty_upper_half_unless_it_was_saved_as_memory()
    {
        SavedStateField[] fields = [new("hack", SavedStateTransformer.HostPointerAsNumber, 0, 8)];
        var octets = Written(1, values => values.PutUInt64(0x1_0000_0002));
        var structure = new byte[8];
        Assert.Equal(SavedStateStatus.FieldInvalidValue, StatusOf(() => Reader(octets, 1).GetStructure(structure, SavedStateStructureFlags.NoMarkers | DoNotIgnore, fields)));
        Reader(octets, 1).GetStructure(structure, SavedStateStructureFlags.MemoryBandAidRelaxed, fields);
        Assert.Equal(2UL, U64(structure, 0));
    }

    [Fact]
    public void What_a_32_bit_host_saved_is_loaded_on_a_64_bit_one()
    {
        var host = new SavedStateHeader { HostBits = 32, GuestPhysicalSize = 4, GuestPointerSize = 4 };
        var saved = new byte[] { 0x78, 0x56, 0x34, 0x12, 0x88, 0x77, 0x66, 0x55, 1, 0, 0, 0 };
        SavedStateField[] theirs =
        [
            new("phys", SavedStateTransformer.GuestPhysical, 0, 4), new("ptr", SavedStateTransformer.GuestPointer, 4, 4),
            new("set", SavedStateTransformer.HostPointerIsSet, 8, 4), SavedStateField.Gone("old", SavedStateTransformer.OldHostPointer),
            SavedStateField.Gone("pad", SavedStateTransformer.OldPadding, SavedStateField.OldPaddingSize(3, 5)),
            new("auto", SavedStateTransformer.PaddingAuto, SavedStateField.NoMember, SavedStateField.PaddingSize(0, 4)),
        ];
        SavedStateField[] ours =
        [
            new("phys", SavedStateTransformer.GuestPhysical, 0, 8), new("ptr", SavedStateTransformer.GuestPointer, 8, 8),
            new("set", SavedStateTransformer.HostPointerIsSet, 16, 8), SavedStateField.Gone("old", SavedStateTransformer.OldHostPointer),
            SavedStateField.Gone("pad", SavedStateTransformer.OldPadding, SavedStateField.OldPaddingSize(3, 5)),
            new("auto", SavedStateTransformer.PaddingAuto, SavedStateField.NoMember, SavedStateField.PaddingSize(0, 4)),
        ];
        var octets = Written(1, values => values.PutStructure(saved, DoNotIgnore, theirs), host);
        Assert.Equal(8 + 4 + 4 + 4 + 4 + 3, Data(octets).Length);
        var structure = new byte[28];
        var values = Reader(octets, 1);
        values.GetStructure(structure, DoNotIgnore, ours);
        Assert.Equal((0x12345678UL, 0x55667788UL, 1UL), (U64(structure, 0), U64(structure, 8), U64(structure, 16)));
        Assert.Equal(SavedStateStatus.LoadedTooMuch, StatusOf(() => values.GetUInt8()));
    }

    [Fact]
    public void An_address_that_does_not_fit_fails_its_own_call_only()
    {
        var octets = Written(1, values =>
        {
            values.PutGuestPhysical(1UL << 32);
            values.PutGuestPointer(1UL << 32);
            values.PutText(new string('x', 16));
            values.PutUInt8(7);
        });
        var values = Reader(octets, 1, new SavedStateHost(4, 4, 4));
        Assert.Equal(SavedStateStatus.GuestPhysicalOverflow, StatusOf(() => values.GetGuestPhysical()));
        Assert.Equal(SavedStateStatus.GuestPointerOverflow, StatusOf(() => values.GetGuestPointer()));
        Assert.Equal(SavedStateStatus.TooMuchData, StatusOf(() => values.GetText(limit: 16)));
        values.Skip(16);
        Assert.Equal(7, values.GetUInt8());
    }

    [Fact]
    public void Padding_of_32_bit_Windows_is_passed_over_on_its_word_only()
    {
        SavedStateField[] fields = [SavedStateField.Gone("pad", SavedStateTransformer.OldPaddingMicrosoft32, SavedStateField.OldPaddingSize(4))];
        var octets = Written(1, values => values.PutUInt32(0));
        var values = Reader(octets, 1);
        values.GetStructure([], SavedStateStructureFlags.NoMarkers, fields);
        Assert.Equal(0U, values.GetUInt32());
        values = Reader(octets, 1);
        values.Saver = values.Saver with { IsMicrosoft32 = true };
        values.GetStructure([], SavedStateStructureFlags.NoMarkers, fields);
        Assert.Equal(SavedStateStatus.LoadedTooMuch, StatusOf(() => values.GetUInt8()));
    }

    [Fact]
    public void Transformers_have_the_numbers_of_their_time()
    {
        Assert.Equal(SavedStateTransformer.GuestPointer, SavedStateTransformers.FromNumber(2, SavedStateNumbering.Of2009));
        Assert.Equal(SavedStateTransformer.IgnoredHostPointer, SavedStateTransformers.FromNumber(8, SavedStateNumbering.Of2009));
        Assert.Equal(SavedStateTransformer.PaddingAuto, SavedStateTransformers.FromNumber(13, SavedStateNumbering.Of2009));
        Assert.Null(SavedStateTransformers.FromNumber(14, SavedStateNumbering.Of2009));
        Assert.Equal(SavedStateTransformer.Ignored, SavedStateTransformers.FromNumber(9, SavedStateNumbering.Before42));
        Assert.Equal(SavedStateTransformer.ZeroExtended, SavedStateTransformers.FromNumber(9, SavedStateNumbering.Modern));
        Assert.Null(SavedStateTransformers.FromNumber(27, SavedStateNumbering.Modern));
        foreach (var numbering in Enum.GetValues<SavedStateNumbering>())
        {
            foreach (var transformer in Enum.GetValues<SavedStateTransformer>())
            {
                if (SavedStateTransformers.ToNumber(transformer, numbering) is { } number)
                    Assert.Equal(transformer, SavedStateTransformers.FromNumber(number, numbering));
            }
        }
    }

    [Fact]
    public void Every_status_has_the_name_users_search_for()
    {
        foreach (var status in Enum.GetValues<SavedStateStatus>()) Assert.Matches("^V(ERR|INF)_[A-Z0-9_]+$", SavedStateStatusNames.NameOf(status));
        Assert.Contains("VERR_SSM_INTEGRITY_MAGIC", Assert.Throws<SavedStateException>(() => SavedStateReader.Open(new MemoryStream(new byte[64]))).Message, StringComparison.Ordinal);
    }

    /// <summary>The structure of the golden file as it lay in memory.</summary>
    private static byte[] Structure()
    {
        var octets = Filled();
        octets[0] = 0x11;
        Convert.FromHexString("55443322").CopyTo(octets, 4);
        Convert.FromHexString("0060452301000000" + "00100080ffffffff" + "341200a0").CopyTo(octets, 8);
        for (var i = 0; i < 3; i++) BinaryPrimitives.WriteInt32LittleEndian(octets.AsSpan(32 + (4 * i)), i + 1);
        BinaryPrimitives.WriteUInt64LittleEndian(octets.AsSpan(48), 0x00007f00aabbccdd);
        BinaryPrimitives.WriteUInt64LittleEndian(octets.AsSpan(56), 0);
        BinaryPrimitives.WriteUInt64LittleEndian(octets.AsSpan(64), 8);
        BinaryPrimitives.WriteUInt64LittleEndian(octets.AsSpan(72), 0x8badf00d);
        BinaryPrimitives.WriteUInt32LittleEndian(octets.AsSpan(112), 0x4c415445);
        (octets[116], octets[117]) = (0x7a, 0x7a);
        return octets;
    }

    private static byte[] Filled()
    {
        var octets = new byte[118];
        Array.Fill(octets, (byte)0x5a);
        return octets;
    }

    private static readonly SavedStateField[] Start =
    [
        Plain("u8", 0, 1),
        new("pad", SavedStateTransformer.PaddingAuto, SavedStateField.NoMember, SavedStateField.PaddingSize(3, 3)),
        Plain("u32", 4, 4),
        new("phys", SavedStateTransformer.GuestPhysical, 8, 8),
        new("ptr", SavedStateTransformer.GuestPointer, 16, 8),
        new("raw", SavedStateTransformer.RawPointer, 24, 4),
        new("pad64", SavedStateTransformer.Padding64, 28, SavedStateField.PaddingSize(0, 4, 4)),
        new("raws", SavedStateTransformer.RawPointerArray, 32, 12),
    ];

    private static readonly SavedStateField Late = Plain("late", 112, 4) with { FirstVersion = 2 };

    private static SavedStateField[] Simple => [.. Start.Where(one => one.Transformer <= SavedStateTransformer.RawPointerArray), Late];

    private static SavedStateField[] Fields =>
    [
        .. Start,
        new("auto", SavedStateTransformer.PaddingAuto, SavedStateField.NoMember, SavedStateField.PaddingSize(0, 4)),
        new("set", SavedStateTransformer.HostPointerIsSet, 48, 8),
        new("sets", SavedStateTransformer.HostPointerIsSetArray, 56, 16),
        new("hack", SavedStateTransformer.HostPointerAsNumber, 72, 8),
        new("ign", SavedStateTransformer.IgnoredHostPointer, 80, 8),
        new("ignphys", SavedStateTransformer.IgnoredGuestPhysical, 88, 8),
        new("ignptr", SavedStateTransformer.IgnoredGuestPointer, 96, 8),
        new("ignraw", SavedStateTransformer.IgnoredRawPointer, 104, 4),
        new("uign", SavedStateTransformer.Ignored, 108, 4),
        SavedStateField.Gone("old", SavedStateTransformer.Old, 3),
        SavedStateField.Gone("oldphys", SavedStateTransformer.OldGuestPhysical),
        SavedStateField.Gone("oldptr", SavedStateTransformer.OldGuestPointer),
        SavedStateField.Gone("oldraw", SavedStateTransformer.OldRawPointer),
        SavedStateField.Gone("oldhost", SavedStateTransformer.OldHostPointer),
        SavedStateField.Gone("oldpad", SavedStateTransformer.OldPadding, SavedStateField.OldPaddingSize(4, 8)),
        SavedStateField.Gone("oldmsc", SavedStateTransformer.OldPaddingMicrosoft32, SavedStateField.OldPaddingSize(4)),
        Late,
        SavedStateField.Custom(
            "tail", 116, 2,
            static (values, tail, structure, _) => values.PutMemory(structure.Slice((int)tail.Offset, 2)),
            static (values, tail, structure, _) => values.GetMemory(structure.Slice((int)tail.Offset, 2))),
    ];

    private static SavedStateField Plain(string name, uint offset, uint size) => new(name, SavedStateTransformer.None, offset, size);

    private static ulong U64(byte[] octets, int at) => octets.Length - at >= 8
        ? BinaryPrimitives.ReadUInt64LittleEndian(octets.AsSpan(at))
        : BinaryPrimitives.ReadUInt32LittleEndian(octets.AsSpan(at));

    private static byte[] Golden(string unit) => Convert.FromHexString(SavedStateVectors.Contents("basic.sav").GetProperty("units")
        .EnumerateArray().Single(one => one.GetProperty("name").GetString() == unit).GetProperty("data_hex").GetString()!);

    private static SavedStateValueReader At(string file, string unit, uint instance)
    {
        var reader = SavedStateReader.Open(new MemoryStream(SavedStateVectors.Read(file)));
        reader.Seek(unit, instance);
        return new SavedStateValueReader(reader) { UnitVersion = uint.MaxValue };
    }

    private static SavedStateValueReader Reader(byte[] data, uint version, SavedStateHost? own = null)
    {
        var reader = SavedStateReader.Open(new MemoryStream(data));
        reader.NextUnit();
        return new SavedStateValueReader(reader, own) { UnitVersion = version };
    }

    private static byte[] Data(byte[] file)
    {
        var reader = SavedStateReader.Open(new MemoryStream(file));
        reader.NextUnit();
        return SavedStateReaderTests.ReadUnit(reader);
    }

    private static SavedStateStatus Putting(SavedStateStructureFlags flags, byte[] structure, params SavedStateField[] fields) =>
        StatusOf(() => Written(1, values => values.PutStructure(structure, flags, fields)));

    private static SavedStateStatus StatusOf(Action act) => SavedStateReaderTests.StatusOf(act);

    /// <summary>A file of one unit; for comparison with golden data use <see cref="Data"/> of it.</summary>
    private static byte[] Written(uint version, Action<SavedStateValueWriter> put, SavedStateHeader? header = null)
    {
        using var output = new MemoryStream();
        var writer = new SavedStateWriter(output, header ?? new SavedStateHeader());
        writer.BeginUnit("u", 0, version, SavedStateUnit.FinalPass);
        put(new SavedStateValueWriter(writer));
        writer.EndUnit();
        writer.Finish();
        return output.ToArray();
    }
}
