using System.Globalization;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

public class BerSnapshotReaderTests
{
    public static TheoryData<string> Accepted =>
        ["01-empty", "02-integers", "03-integers-seed-defect", "04-ram", "05-device", "06-definite-forms"];

    [Theory]
    [MemberData(nameof(Accepted))]
    public async Task Good_files_read_the_same_from_memory_and_octet_by_octet_from_a_stream(string name)
    {
        var octets = BerVectors.Read(name);
        using var fromMemory = new BerSnapshotReader(octets);
        using var trickle = new BerSnapshotReader(new TricklingStream(octets));
        using var trickleAsync = new BerSnapshotReader(new TricklingStream(octets));
        var expected = Describe(fromMemory);
        Assert.Equal(expected, Describe(trickle));
        var events = new List<string>();
        while (await trickleAsync.ReadAsync()) events.Add(Describe(trickleAsync, trickleAsync.Event));
        Assert.Equal(expected, events);
    }

    [Theory]
    [InlineData("07-bad-tag31", 29, "leading group of zero")]
    [InlineData("08-bad-truncated", 36, "ends inside")]
    [InlineData("09-bad-nonminimal-integer", 33, "first nine bits")]
    public void Bad_files_are_refused_where_they_go_wrong(string name, long offset, string reason)
    {
        using var reader = new BerSnapshotReader(BerVectors.Read(name));
        var error = Assert.Throws<MalformedInputException>(() => Describe(reader));
        Assert.Equal(offset, error.Offset);
        Assert.Contains(reason, error.Reason, StringComparison.Ordinal);
        Assert.Equal("BER", error.Format);
        Assert.NotNull(error.Advice);
    }

    [Fact]
    public void Integers_have_their_values()
    {
        using var reader = new BerSnapshotReader(BerVectors.Read("02-integers"));
        var values = ReadFirstState(reader).Items.OfType<BerItem.Number>().Select(item => item.Value.Value).ToArray();
        Int128[] expected =
        [
            0, 1, 127, 128, 255, 256, 32767, 32768, 2147483647, 2147483648, 4294967295, long.MaxValue,
            -1, -128, -129, -256, -32768, -32769, -2147483648, long.MinValue, ulong.MaxValue,
        ];
        Assert.Equal(expected, values);
    }

    [Fact]
    public void A_device_reads_as_a_tree_with_its_subsections()
    {
        using var reader = new BerSnapshotReader(BerVectors.Read("05-device"));
        var states = new Dictionary<string, BerItem.Group>();
        var blob = new List<byte>();
        while (reader.Read())
        {
            if (reader.Event == BerSnapshotEvent.GroupStart) states.Add(reader.Section!.Name, reader.ReadState());
            if (reader.Event == BerSnapshotEvent.Octets) blob.AddRange(reader.Contents);
        }

        Assert.Equal("old style blob"u8, blob.ToArray());
        Assert.Equal(BerSnapshot.CpuCommon, states["cpu_common"].Tag);
        var ide = states["0000:00:01.1/ide"];
        Assert.Equal(3, ide.Items.Count);
        Assert.Equal(256, Assert.IsType<BerItem.Buffer>(ide.Items[0]).Octets.Length);
        var drives = Assert.IsType<BerItem.Group>(ide.Items[2]).Items.Cast<BerItem.Group>().ToArray();
        Assert.Equal("drive0", drives[0].Items[1].ToString());
        Assert.Equal("", drives[1].Items[1].ToString());
        var subsection = Assert.Single(ide.Subsections);
        Assert.Equal(("ide_bus/error", 2u), (subsection.Name, subsection.VersionId));
        Assert.Equal([128, 0x1234], subsection.State.Items.Cast<BerItem.Number>().Select(item => item.Value.Value));
    }

    [Fact]
    public void The_place_of_an_item_is_told_by_unit_position_and_subsection()
    {
        using var reader = new BerSnapshotReader(BerVectors.Read("05-device"));
        var paths = new List<string>();
        while (reader.Read())
        {
            if (reader.Event is BerSnapshotEvent.Boolean or BerSnapshotEvent.Integer) paths.Add(reader.Path);
        }

        string[] expected =
        [
            "timer[0]/0", "timer[0]/2", "cpu_common[0]/0", "cpu_common[0]/1",
            "0000:00:01.1/ide[0]/1/0", "0000:00:01.1/ide[0]/1/1", "0000:00:01.1/ide[0]/1/2",
            "0000:00:01.1/ide[0]/2/0/0", "0000:00:01.1/ide[0]/2/1/0",
            "0000:00:01.1/ide[0]/ide_bus/error/0", "0000:00:01.1/ide[0]/ide_bus/error/1",
        ];
        Assert.Equal(expected, paths);
    }

    [Fact]
    public void Constructed_strings_and_definite_lengths_read_like_the_plain_forms()
    {
        using var reader = new BerSnapshotReader(BerVectors.Read("06-definite-forms"));
        var octets = new List<byte>();
        while (reader.Read())
        {
            if (reader.Event == BerSnapshotEvent.Octets) octets.AddRange(reader.Contents);
        }

        Assert.Equal("abcdef"u8, octets.ToArray());
        Assert.Equal("alt", reader.Section!.Name);
    }

    [Fact]
    public void A_list_of_subsections_is_taken_beside_the_state_as_well()
    {
        using var reader = Snapshot(writer =>
        {
            Section(writer, "dev", 1);
            writer.BeginConstructed(BerTag.Sequence);
            writer.EndConstructed();
            writer.BeginConstructed(BerSnapshot.SubsectionList);
            writer.BeginConstructed(BerSnapshot.Subsection);
            writer.WriteUtf8String("dev/sub");
            writer.WriteInteger(1L);
            writer.BeginConstructed(BerTag.Sequence);
            writer.WriteInteger(42L);
            for (var depth = 0; depth < 4; depth++) writer.EndConstructed();
        });
        var places = new List<string>();
        while (reader.Read())
        {
            if (reader.Event == BerSnapshotEvent.SubsectionStart) places.Add(reader.SubsectionName!);
            if (reader.Event == BerSnapshotEvent.Integer) places.Add(reader.Path);
        }

        Assert.Equal(["dev/sub", "dev[0]/dev/sub/0"], places);
    }

    [Fact]
    public void Values_the_format_does_not_know_are_passed_over_whatever_their_form()
    {
        using var reader = Snapshot(writer =>
        {
            Section(writer, "dev", 1);
            writer.BeginConstructed(BerTag.Sequence);
            writer.WriteNull();
            writer.BeginConstructed(new BerTag(BerTagClass.Context, 5));
            writer.BeginConstructed(new BerTag(BerTagClass.Private, uint.MaxValue), 3);
            writer.WriteInteger(1L);
            writer.EndConstructed();
            writer.EndConstructed();
            writer.WriteInteger(42L);
            writer.EndConstructed();
            writer.EndConstructed();
        });
        var state = ReadFirstState(reader);
        Assert.Equal(42, Assert.IsType<BerItem.Number>(Assert.Single(state.Items)).Value.Value);
        Assert.Equal(2, reader.SkippedValues);
    }

    [Fact]
    public void A_page_in_pieces_and_marks_without_content_are_taken()
    {
        var page = new byte[4096];
        new Random(3).NextBytes(page);
        using var reader = Snapshot(writer => Ram(writer, () =>
        {
            Entry(writer, 0x1000, 0x08, "pc.ram", () =>
            {
                writer.BeginConstructed(BerTag.OctetString);
                writer.WriteOctetString(page.AsSpan(0, 1000));
                writer.BeginConstructed(BerTag.OctetString, 3100);
                writer.WriteOctetString(page.AsSpan(1000));
                writer.EndConstructed();
                writer.EndConstructed();
            });
            Entry(writer, 0, 0x80, null, () => { });
            Entry(writer, 0, 0x30, null, () => { });
            Entry(writer, 0, 0x22, null, () => writer.WriteInteger(0xaaL));
        }));
        var entries = new List<(BerRamFlags, string?, ulong, int)>();
        while (reader.Read())
        {
            if (reader.Event != BerSnapshotEvent.RamEntry) continue;
            entries.Add((reader.RamFlags, reader.RamBlock?.Name, reader.RamAddress, reader.RamFill));
            if (reader.RamFlags == BerRamFlags.Page) Assert.Equal(page, reader.Contents);
        }

        (BerRamFlags, string?, ulong, int)[] expected =
        [
            (BerRamFlags.Page, "pc.ram", 0x1000, 0), (BerRamFlags.Hook, null, 0, 0), (BerRamFlags.EndOfSection, null, 0, 0),
            (BerRamFlags.Zero, "pc.ram", 0, 0xaa),
        ];
        Assert.Equal(expected, entries);
    }

    [Theory]
    [InlineData(0x2000, 0x02, "pc.ram", "outside of RAM block")]
    [InlineData(0x0000, 0x02, "pc.bios", "does not have")]
    [InlineData(0x0000, 0x22, null, "continues a block")]
    [InlineData(0x0000, 0x0a, "pc.ram", "no one kind")]
    [InlineData(0x0000, 0x100, "pc.ram", "no one kind")]
    [InlineData(0x0000, 0x02, null, "name of the RAM block expected")]
    [InlineData(0x0000, 0x08, "pc.ram", "a page expected")]
    public void Ram_entries_that_contradict_the_block_list_or_their_flags_are_refused(long address, int flags, string? name, string reason)
    {
        using var reader = Snapshot(writer => Ram(writer, () => Entry(writer, address, flags, name, () => writer.WriteInteger(0L))));
        AssertRefused(reader, reason);
    }

    [Fact]
    public void A_page_of_another_size_than_those_before_is_refused()
    {
        using var reader = Snapshot(writer => Ram(writer, () =>
        {
            Entry(writer, 0, 0x08, "pc.ram", () => writer.WriteOctetString(new byte[4096]));
            Entry(writer, 0x1000, 0x28, null, () => writer.WriteOctetString(new byte[2048]));
        }));
        AssertRefused(reader, "pages before it have 4096");
    }

    [Fact]
    public void Sections_must_be_opened_once_and_before_they_are_continued()
    {
        using var twice = Snapshot(writer =>
        {
            Section(writer, "a", 1);
            writer.EndConstructed();
            Section(writer, "b", 1);
            writer.EndConstructed();
        });
        AssertRefused(twice, "second time");
        using var unopened = Snapshot(writer =>
        {
            writer.BeginConstructed(BerSnapshot.ContinuingSection);
            writer.WriteInteger(7L);
            writer.EndConstructed();
        });
        AssertRefused(unopened, "no section has opened");
    }

    [Theory]
    [InlineData("01-empty")]
    [InlineData("02-integers")]
    [InlineData("05-device")]
    [InlineData("06-definite-forms")]
    public void A_file_cut_anywhere_is_refused_at_its_end(string name)
    {
        var octets = BerVectors.Read(name);
        for (var length = 0; length < octets.Length; length++)
        {
            using var reader = new BerSnapshotReader(octets.AsMemory(0, length));
            var error = Assert.Throws<MalformedInputException>(() => Describe(reader));
            Assert.Equal(length, error.Offset);
        }
    }

    [Theory]
    [MemberData(nameof(Accepted))]
    public void Octets_behind_the_end_are_refused(string name)
    {
        foreach (var extra in new byte[][] { [0], [0, 0], [5, 0], [0x30, 0x80, 0, 0] })
        {
            using var reader = new BerSnapshotReader((byte[])[.. BerVectors.Read(name), .. extra]);
            Assert.Throws<MalformedInputException>(() => Describe(reader));
        }
    }

    private static void AssertRefused(BerSnapshotReader reader, string reason) =>
        Assert.Contains(reason, Assert.Throws<MalformedInputException>(() => Describe(reader)).Reason, StringComparison.Ordinal);

    private static List<string> Describe(BerSnapshotReader reader)
    {
        var events = new List<string>();
        while (reader.Read()) events.Add(Describe(reader, reader.Event));
        Assert.Equal(BerSnapshotEvent.None, reader.Event);
        Assert.False(reader.Read());
        return events;
    }

    private static string Describe(BerSnapshotReader reader, BerSnapshotEvent what) => what switch
    {
        BerSnapshotEvent.SectionStart => reader.Section!.ToString(),
        BerSnapshotEvent.RamBlocks => string.Join(',', reader.RamBlocks),
        BerSnapshotEvent.RamEntry => string.Create(
            CultureInfo.InvariantCulture,
            $"{reader.RamFlags} {reader.RamBlock} {reader.RamAddress} {reader.RamFill} {Page(reader)}"),
        BerSnapshotEvent.GroupStart => $"{{ {reader.Tag}",
        BerSnapshotEvent.SubsectionStart => $"{reader.SubsectionName} {reader.SubsectionVersion}",
        BerSnapshotEvent.Integer => $"{reader.Path} {reader.Integer}",
        BerSnapshotEvent.Boolean => $"{reader.Path} {reader.Boolean}",
        BerSnapshotEvent.Text or BerSnapshotEvent.Octets => $"{reader.Path} {Convert.ToHexString(reader.Contents)} {reader.IsFinalPiece}",
        _ => what.ToString(),
    };

    private static string Page(BerSnapshotReader reader) =>
        reader.RamFlags == BerRamFlags.Page ? Convert.ToHexString(reader.Contents) : "";

    private static BerItem.Group ReadFirstState(BerSnapshotReader reader)
    {
        while (reader.Event != BerSnapshotEvent.GroupStart) Assert.True(reader.Read());
        var state = reader.ReadState();
        Assert.Equal(BerSnapshotEvent.GroupEnd, reader.Event);
        while (reader.Read()) Assert.NotEqual(BerSnapshotEvent.GroupStart, reader.Event);
        return state;
    }

    private static BerSnapshotReader Snapshot(Action<BerWriter> writeSections)
    {
        using var stream = new MemoryStream();
        using var writer = new BerWriter(stream);
        writer.BeginConstructed(BerSnapshot.File);
        writer.WriteInteger(3L);
        writer.BeginConstructed(BerTag.Sequence);
        writeSections(writer);
        writer.EndConstructed();
        writer.EndConstructed();
        writer.Flush();
        Assert.Equal(0, writer.Depth);
        return new BerSnapshotReader(stream.ToArray());
    }

    private static void Section(BerWriter writer, string name, long id)
    {
        writer.BeginConstructed(BerSnapshot.OpeningSection);
        writer.WriteUtf8String(name);
        writer.WriteInteger(id);
        writer.WriteInteger(0L);
        writer.WriteInteger(1L);
    }

    private static void Ram(BerWriter writer, Action writeEntries)
    {
        Section(writer, "ram", 2);
        writer.BeginConstructed(BerSnapshot.RamList);
        Entry(writer, 0x2000, 0x04, null, () =>
        {
            writer.BeginConstructed(BerTag.Sequence);
            writer.BeginConstructed(BerTag.Sequence);
            writer.WriteUtf8String("pc.ram");
            writer.WriteInteger(0x2000L);
            writer.EndConstructed();
            writer.EndConstructed();
        });
        writeEntries();
        writer.EndConstructed();
        writer.EndConstructed();
    }

    private static void Entry(BerWriter writer, long address, int flags, string? name, Action writeContent)
    {
        writer.BeginConstructed(BerSnapshot.RamEntry);
        writer.WriteInteger(address);
        writer.WriteInteger((long)flags);
        if (name is not null) writer.WriteUtf8String(name);
        writeContent();
        writer.EndConstructed();
    }
}
