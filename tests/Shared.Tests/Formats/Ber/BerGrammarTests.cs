using Cutpoint.Formats;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>Legal BER that is no legal snapshot. Sections are given in hexadecimal, without the file around them.</summary>
public class BerGrammarTests
{
    private const string FileHead = "7fcdc551 80 020103 3080";
    private const string FileTail = "0000 0000";
    private const string Head = "7f8f5380 0c0161 020101 020100 020101";
    private const string RamHead = Head + "7fcc5280";
    private const string Blocks = "7fc55280 02022000 020104 3080 3080 0c0162 02022000 0000 0000 0000";
    private const string Close = "0000";

    [Theory]
    [InlineData("7fcdc55180 020102 3080 0000 0000", "stream version 2")]
    [InlineData("7fcdc55180 020103 0000", "has at least 2")]
    [InlineData("7fcdc55180 3080 0000 0000", "the stream version expected")]
    [InlineData("7fcdc55180 020103 3180 0000 0000", "the list of sections expected")]
    [InlineData("3080 0000", "a snapshot expected")]
    [InlineData("5fcdc551 00", "a snapshot expected")]
    public void Files_with_a_wrong_frame_are_refused(string file, string reason) => AssertRefused(file, reason);

    [Theory]
    [InlineData("020101", "a section expected")]
    [InlineData("5f8f53 00", "a section expected")]
    [InlineData("7fc55280 0000", "a section expected")]
    [InlineData("7f8f5380 0000", "has at least 4")]
    [InlineData("7f8f5380 0c0161 020101 020100 0000", "has at least 4")]
    [InlineData("7f8f5380 0c00 020101 020100 020101 0000", "an empty name")]
    [InlineData("7f8f5380 0c01ff 020101 020100 020101 0000", "not UTF-8")]
    [InlineData("7f8f5380 040161 020101 020100 020101 0000", "the section name expected")]
    [InlineData("7f8f5380 0c0161 0201ff 020100 020101 0000", "the section id is -1")]
    [InlineData("7f8f5380 0c0161 02050100000000 020100 020101 0000", "the section id is 4294967296")]
    [InlineData("7f8f5380 0c0161 020101 02050100000000 020101 0000", "the instance id is 4294967296")]
    [InlineData("7f8f5380 0c0161 020101 020100 02050100000000 0000", "the version id is 4294967296")]
    [InlineData("7f815380 0000", "has at least 1")]
    public void Sections_without_a_right_head_are_refused(string section, string reason) => AssertRefusedInside(section, reason);

    [Theory]
    [InlineData("7f8f5380 0000", "an item of a state expected")]
    [InlineData("7fcc5280 0000", "an item of a state expected")]
    [InlineData("7fd35380 0000", "an item of a state expected")]
    [InlineData("01020000", "BOOLEAN of 2 octets")]
    [InlineData("0100", "BOOLEAN of 0 octets")]
    [InlineData("0200", "INTEGER without contents")]
    [InlineData("7fd34c80 3080 0000 0000", "a subsection expected")]
    [InlineData("7fd34c80 7fd35380 0c0161 020101 0000 0000", "has at least 3")]
    [InlineData("7fd34c80 7fd35380 0c0161 020101 7f1f80 0000 0000 0000", "the subsection's state expected")]
    [InlineData("7fd34c80 7fd35380 020101 0000 0000", "the subsection name expected")]
    [InlineData("2480 020101 0000", "a piece of a string expected")]
    [InlineData("2480 0c0161 0000", "a piece of a string expected")]
    [InlineData("2c80 050100 0000", "a piece of a string expected")]
    public void States_with_misplaced_items_are_refused(string items, string reason) =>
        AssertRefusedInside($"{Head} 3080 {items} {Close} {Close}", reason);

    [Fact]
    public void Texts_longer_than_255_octets_are_refused_whole_or_in_pieces()
    {
        var half = string.Concat(Enumerable.Repeat("61", 128));
        AssertRefusedInside($"{Head} 3080 0c820100 {half} {half} {Close} {Close}", "more than 255");
        AssertRefusedInside($"{Head} 3080 2c80 048180 {half} 048180 {half} 0000 {Close} {Close}", "more than 255");
        AssertRefusedInside($"7f8f5380 0c820100 {half} {half} {Close}", "more than 255");
        AssertRefusedInside($"7f8f5380 2c80 048180 {half} 048180 {half} 0000 {Close}", "more than 255");
    }

    [Theory]
    [InlineData("3080 0000", "a RAM entry expected")]
    [InlineData("7fc55280 020100 0000", "has at least 2")]
    [InlineData("7fc55280 02022001 020104 3080 3080 0c0162 02022000 0000 0000 0000", "the entry says 8193")]
    [InlineData("7fc55280 02021fff 020104 3080 3080 0c0162 02022000 0000 0000 0000", "the entry says 8191")]
    [InlineData("7fc55280 02022000 020104 3080 3080 0c0162 02021000 0000 3080 0c0162 02021000 0000 0000 0000", "'b' twice")]
    [InlineData("7fc55280 02022000 020104 3080 3080 0c0162 0000 0000 0000", "has at least 2")]
    [InlineData("7fc55280 020100 020104 0000", "without its content")]
    [InlineData("7fc55280 020100 020104 020100 0000", "the block list expected")]
    [InlineData(Blocks + Blocks, "a second block list")]
    [InlineData(Blocks + "7fc55280 020100 020102 0c0162 0000", "without its content")]
    [InlineData(Blocks + "7fc55280 020100 020102 0000", "without the name of its block")]
    [InlineData(Blocks + "7fc55280 020100 020102 0c0162 02020100 0000", "the fill octet is 256")]
    [InlineData(Blocks + "7fc55280 020100 020108 0c0162 040100 0000", "which is no page size")]
    public void Memory_entries_that_contradict_themselves_are_refused(string entries, string reason) =>
        AssertRefusedInside($"{RamHead} {entries} {Close} {Close}", reason);

    [Theory]
    [InlineData("7fc55280 02020200 020108 0c0162")]
    [InlineData("7fc55280 02020080 020102 0c0162 020100 0000 7fc55280 020100 020128")]
    public void An_address_off_its_alignment_is_refused_as_soon_as_the_page_size_is_known(string entry)
    {
        var page = "04820400" + string.Concat(Enumerable.Repeat("00", 1024));
        AssertRefusedInside($"{RamHead} {Blocks} {entry} {page} 0000 {Close} {Close}", "not a multiple of the page size 1024");
    }

    [Fact]
    public void The_length_of_octets_is_told_when_the_file_tells_it()
    {
        foreach (var (octets, length) in new[] { ("0403616263", 3L), ("2480 04026162 040163 0000", -1L), ("2407 04026162 040163", -1L) })
        {
            using var reader = new BerSnapshotReader(Parse($"{FileHead} {Head} {octets} {Close} {FileTail}"));
            var read = new List<byte>();
            var isComplete = false;
            while (reader.Read())
            {
                if (reader.Event != BerSnapshotEvent.Octets) continue;
                Assert.Equal(length, reader.OctetsLength);
                Assert.False(isComplete);
                read.AddRange(reader.Contents);
                isComplete = reader.IsFinalPiece;
            }

            Assert.True(isComplete);
            Assert.Equal("abc"u8, read.ToArray());
        }
    }

    [Fact]
    public void The_first_page_of_every_section_names_its_block()
    {
        using var stream = new MemoryStream();
        using var values = new BerWriter(stream);
        var writer = new BerSnapshotWriter(values, 1024);
        writer.BeginFile();
        writer.BeginSection("ram", 1, 0, 4);
        writer.BeginRamList();
        writer.WriteRamBlocks([new BerRamBlock("name", 4096)]);
        writer.WriteZeroPage("name", 0);
        writer.EndRamList();
        writer.EndSection();
        for (var section = 0; section < 2; section++)
        {
            writer.ContinueSection(1);
            writer.BeginRamList();
            writer.WriteZeroPage("name", 1024);
            writer.WriteZeroPage("name", 2048);
            writer.EndRamList();
            writer.EndSection();
        }

        writer.EndFile();
        values.Flush();
        var names = Convert.ToHexStringLower(stream.ToArray()).Split("0c046e616d65").Length - 1;
        Assert.Equal(1 + 3, names);
    }

    private static void AssertRefusedInside(string sections, string reason) => AssertRefused($"{FileHead} {sections} {FileTail}", reason);

    private static void AssertRefused(string file, string reason)
    {
        using var reader = new BerSnapshotReader(Parse(file));
        var error = Assert.Throws<MalformedInputException>(() =>
        {
            while (reader.Read()) Assert.NotNull(reader.Path);
        });
        Assert.Contains(reason, error.Reason, StringComparison.Ordinal);
    }

    private static byte[] Parse(string octets) => Convert.FromHexString(octets.Replace(" ", "", StringComparison.Ordinal));
}
