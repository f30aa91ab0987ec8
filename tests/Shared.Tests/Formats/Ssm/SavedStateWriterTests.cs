using Cutpoint.Formats.Ssm;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Shared.Tests.Formats.Ssm;

public sealed class SavedStateWriterTests
{
    [Fact]
    public void A_file_without_compressible_data_is_that_of_VirtualBox_octet_for_octet()
    {
        var golden = SavedStateVectors.Read("tiny.sav");
        using var output = new MemoryStream();
        var writer = new SavedStateWriter(output, new SavedStateHeader { UnitCount = 3 });
        var reader = SavedStateReader.Open(new MemoryStream(golden));
        while (reader.NextUnit() is { } unit)
        {
            writer.BeginUnit(unit.Name, unit.Instance, unit.Version, unit.Pass);
            writer.Write(SavedStateReaderTests.ReadUnit(reader));
            writer.EndUnit();
        }
        writer.Finish();
        Assert.Equal(golden, output.ToArray());
    }

    [Fact]
    public void Items_are_cut_into_records_as_VirtualBox_cuts_them()
    {
        var noise = SavedStateVectors.Noise(1, 5000);
        // Items of 512 octets gather in blocks and are not split; larger ones go out by themselves.
        Assert.Equal("92/4:4095 92/2:2", Records([.. Enumerable.Repeat(noise[..512], 7), noise[..511], noise[..2]]));
        Assert.Equal("92/4:4096", Records([.. Enumerable.Repeat(noise[..512], 8)]));
        Assert.Equal("92/2:4 92/3:513 92/2:4", Records(noise[..4], noise[..513], noise[..4]));
        // Whole blocks of 4 KiB: zero, compressible, neither; the rest as it is.
        Assert.Equal("94/2:1", Records(new byte[4096]));
        Assert.Equal("92/4:4096 92/3:904", Records(noise));
        Assert.Equal("92/2:4 93/4:? 92/3:600", Records([1, 2, 3, 4], [.. Enumerable.Repeat((byte)7, 4696)]));
        Assert.Equal("", Records([]));
    }

    [Fact]
    public void A_compressed_record_is_used_only_when_it_saves_a_sixteenth()
    {
        var noise = SavedStateVectors.Noise(1, 4096);
        Array.Clear(noise, 0, 200);
        Assert.StartsWith("92/4:4096", Records(noise), StringComparison.Ordinal);
        Array.Clear(noise, 0, 600);
        Assert.StartsWith("93/4:", Records(noise), StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_written_is_read_whatever_it_is_and_asynchronously_alike() =>
        Prop.ForAll(Units.ToArbitrary(), units =>
        {
            var octets = Write(units);
            Assert.Equal(octets, WriteAsync(units).GetAwaiter().GetResult());
            SavedStateReader.Validate(new MemoryStream(octets), checksum: true);
            var reader = SavedStateReader.Open(new MemoryStream(octets));
            foreach (var unit in units)
            {
                var seen = reader.NextUnit()!;
                Assert.Equal((unit.Name, unit.Instance, unit.Pass), (seen.Name, seen.Instance, seen.Pass));
                Assert.Equal(unit.Items.SelectMany(static i => i), SavedStateReaderTests.ReadUnit(reader));
                reader.End();
            }
            Assert.Null(reader.NextUnit());
            foreach (var last in units.GroupBy(static u => (u.Name, u.Instance)).Select(static g => g.Last()))
                Assert.Equal(last.Pass, reader.Seek(last.Name, last.Instance).Pass);
            return true;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void The_directory_lists_the_last_data_of_each_unit_in_the_order_asked_for()
    {
        using var output = new MemoryStream();
        var writer = new SavedStateWriter(output, new SavedStateHeader { IsLive = true });
        foreach (var (name, pass, isListed) in new[] { ("a", 0U, true), ("b", 0U, true), ("control", 0U, false), ("a", 1U, true), ("c", uint.MaxValue, true) })
        {
            writer.BeginUnit(name, 0, 1, pass, isListed);
            writer.EndUnit();
        }
        writer.Finish([("c", 0), ("a", 0), ("b", 0), ("never saved", 0)]);
        var reader = SavedStateReader.Open(new MemoryStream(output.ToArray()));
        Assert.True(reader.Header.IsLive);
        Assert.Equal(1U, reader.Seek("a", 0).Pass);
        Assert.Equal(["c", "a", "b"], reader.Directory.Select(e => "abc".First(n => RawSavedState.Checksum([(byte)n]) == e.NameChecksum).ToString()));
        Assert.Equal(SavedStateStatus.UnitNotFound, SavedStateReaderTests.StatusOf(() => reader.Seek("control", 0)));
    }

    [Fact]
    public void Units_do_not_nest_and_data_belong_into_them()
    {
        var writer = new SavedStateWriter(Stream.Null, new SavedStateHeader());
        Assert.Equal(SavedStateStatus.InvalidState, SavedStateReaderTests.StatusOf(() => writer.Write([1])));
        Assert.Equal(SavedStateStatus.InvalidState, SavedStateReaderTests.StatusOf(writer.EndUnit));
        Assert.Equal(SavedStateStatus.OutOfRange, SavedStateReaderTests.StatusOf(() => writer.BeginUnit("", 0, 1, 0)));
        Assert.Equal(SavedStateStatus.OutOfRange, SavedStateReaderTests.StatusOf(() => writer.BeginUnit(new string('x', 48), 0, 1, 0)));
        Assert.Equal(SavedStateStatus.OutOfRange, SavedStateReaderTests.StatusOf(() => writer.BeginUnit("a\0b", 0, 1, 0)));
        writer.BeginUnit("a", 0, 1, 0);
        Assert.Equal(SavedStateStatus.InvalidProgramState, SavedStateReaderTests.StatusOf(() => writer.BeginUnit("b", 0, 1, 0)));
        Assert.Equal(SavedStateStatus.InvalidProgramState, SavedStateReaderTests.StatusOf(() => writer.Finish()));
        writer.EndUnit();
        writer.Finish();
        Assert.Equal(SavedStateStatus.InvalidProgramState, SavedStateReaderTests.StatusOf(() => writer.Finish()));
    }

    [Fact]
    public void Compressing_and_decompressing_gives_back_every_block() =>
        Prop.ForAll(Blocks.ToArbitrary(), block =>
        {
            var packed = new byte[block.Length * 2 + 16];
            var size = Lzf.Compress(block, packed);
            var plain = new byte[block.Length];
            Assert.Equal(block.Length, Lzf.Decompress(packed.AsSpan(0, size), plain));
            Assert.Equal(block, plain);
            // One octet less of room is an answer of 0, never a write behind it.
            Assert.Equal(0, size == 0 ? 0 : Lzf.Compress(block, packed.AsSpan(0, size - 1)));
            return true;
        }).QuickCheckThrowOnFailure();

    [Fact]
    public void Damaged_blocks_never_reach_beyond_their_ends() =>
        Prop.ForAll(Gen.Choose(0, 255).Select(static x => (byte)x).ArrayOf().ToArbitrary(), octets =>
            Lzf.Decompress(octets, new byte[100]) is >= -1 and <= 100).QuickCheckThrowOnFailure();

    [Fact]
    public void Checksums_are_those_of_zlib_at_every_length()
    {
        var noise = SavedStateVectors.Noise(3, 300);
        for (var length = 0; length <= noise.Length; length++)
        {
            Assert.Equal(RawSavedState.Checksum(noise.AsSpan(0, length)), Crc32.Append(0, noise.AsSpan(0, length)));
            Assert.Equal(RawSavedState.Checksum(noise.AsSpan(0, length)), Crc32.Append(Crc32.Append(0, noise.AsSpan(0, length / 3)), noise.AsSpan(length / 3, length - (length / 3))));
        }
    }

    private static Gen<byte[]> Blocks =>
        from length in Gen.OneOf(Gen.Choose(0, 40), Gen.Constant(4096), Gen.Choose(0, 9000))
        from letters in Gen.Elements(1, 2, 3, 16, 256)
        from seed in Gen.Choose(1, int.MaxValue)
        select Array.ConvertAll(SavedStateVectors.Noise((uint)seed, length), x => (byte)(x % letters));

    private static Gen<SavedUnit[]> Units =>
        (from name in Gen.Elements("a", "b", "ünit", new string('n', 47))
         from instance in Gen.Choose(0, 1)
         from pass in Gen.Elements(0U, 1U, uint.MaxValue)
         from items in Gen.OneOf(Blocks, Gen.Choose(0, 600).Select(static n => SavedStateVectors.Noise(5, n)), Gen.Choose(0, 30).Select(static n => new byte[n * 1000])).ArrayOf()
         select new SavedUnit(name, (uint)instance, pass, items)).ArrayOf();

    private static byte[] Write(SavedUnit[] units)
    {
        using var output = new MemoryStream();
        var writer = new SavedStateWriter(output, new SavedStateHeader());
        foreach (var unit in units)
        {
            writer.BeginUnit(unit.Name, unit.Instance, 1, unit.Pass);
            foreach (var item in unit.Items) writer.Write(item);
            writer.EndUnit();
        }
        writer.Finish();
        return output.ToArray();
    }

    private static async Task<byte[]> WriteAsync(SavedUnit[] units)
    {
        using var output = new MemoryStream();
        var writer = new SavedStateWriter(output, new SavedStateHeader());
        foreach (var unit in units)
        {
            writer.BeginUnit(unit.Name, unit.Instance, 1, unit.Pass);
            foreach (var item in unit.Items) await writer.WriteAsync(item, default);
            await writer.EndUnitAsync(default);
        }
        await writer.FinishAsync(default);
        return output.ToArray();
    }

    /// <summary>The records of a unit: first octet, octets of header, octets of payload.</summary>
    private static string Records(params byte[][] items)
    {
        var octets = Write([new SavedUnit("u", 0, 0, items)]);
        var records = new List<string>();
        for (var at = 64 + 44 + 2; ;)
        {
            var header = RecordHeader.TryParse(octets.AsSpan(at), at)!.Value;
            if (header.Type == RecordType.Terminator) return string.Join(' ', records);
            records.Add($"{octets[at]:x2}/{header.Size}:{(header.Type == RecordType.Compressed ? "?" : header.Length)}");
            at += header.Size + header.Length;
        }
    }

    private sealed record SavedUnit(string Name, uint Instance, uint Pass, byte[][] Items);
}
