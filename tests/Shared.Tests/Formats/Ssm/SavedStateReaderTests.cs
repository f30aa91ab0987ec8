using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cutpoint.Formats.Ssm;
using Cutpoint.Shared.Tests.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ssm;

public sealed partial class SavedStateReaderTests
{
    [Theory]
    [InlineData("tiny.sav")]
    [InlineData("basic.sav")]
    public void Everything_in_a_file_of_VirtualBox_is_read_as_it_was_written(string file)
    {
        var expected = SavedStateVectors.Contents(file);
        var reader = SavedStateReader.Open(new MemoryStream(SavedStateVectors.Read(file)));
        var header = expected.GetProperty("header");
        Assert.Equal(header.GetProperty("svnrev").GetInt32(), reader.Header.Revision);
        Assert.Equal(header.GetProperty("cUnits").GetInt32(), reader.Header.UnitCount);
        Assert.Equal((7, 1, 6, 64, 8, 8), (reader.Header.Major, reader.Header.Minor, reader.Header.Build, reader.Header.HostBits, reader.Header.GuestPhysicalSize, reader.Header.GuestPointerSize));
        foreach (var unit in expected.GetProperty("units").EnumerateArray())
        {
            var seen = reader.NextUnit()!;
            Assert.Equal(
                (unit.GetProperty("name").GetString(), unit.GetProperty("instance").GetUInt32(), unit.GetProperty("version").GetUInt32(), unit.GetProperty("offset").GetInt64()),
                (seen.Name, seen.Instance, seen.Version, seen.Offset));
            var data = ReadUnit(reader);
            Assert.Equal(unit.GetProperty("data_sha256").GetString(), Convert.ToHexStringLower(SHA256.HashData(data)));
            reader.End();
            Assert.Equal(unit.GetProperty("cb_unit").GetInt64(), reader.Offset - seen.Offset - 44 - seen.Name.Length - 1);
        }
        Assert.Null(reader.NextUnit());
        Assert.Null(reader.NextUnit());
        Assert.Equal(expected.GetProperty("file_size").GetInt64(), reader.Offset);
        Assert.Equal(
            expected.GetProperty("directory").EnumerateArray().Select(e => (e.GetProperty("off").GetInt64(), e.GetProperty("instance").GetUInt32(), e.GetProperty("name_crc").GetString())),
            reader.Directory.Select(e => (e.Offset, e.Instance, (string?)e.NameChecksum.ToString("x8", CultureInfo.InvariantCulture))));
    }

    [Fact]
    public async Task Versions_before_the_present_one_are_refused_where_nothing_can_be_sought()
    {
        var old = SavedStateVectors.Read("verdicts/v12.sav");

        var error = await Assert.ThrowsAsync<SavedStateException>(() => SavedStateReader.OpenAsync(new OneWayStream(old), default).AsTask());

        Assert.Equal(SavedStateStatus.NotSupported, error.Status);
    }

    [Fact]
    public async Task One_octet_at_a_time_and_without_seeking_reads_the_same()
    {
        var octets = SavedStateVectors.Read("basic.sav");
        var reader = await SavedStateReader.OpenAsync(new OneWayStream(octets), default);
        var expected = SavedStateReader.Open(new MemoryStream(octets));
        while (expected.NextUnit() is { } unit)
        {
            Assert.Equal(unit, await reader.NextUnitAsync(default));
            using var data = new MemoryStream();
            var part = new byte[513];
            while (await reader.ReadAsync(part, default) is > 0 and var count) data.Write(part, 0, count);
            await reader.EndAsync(default);
            Assert.Equal(ReadUnit(expected), data.ToArray());
        }
        Assert.Null(await reader.NextUnitAsync(default));
        Assert.Equal(SavedStateStatus.NotSupported, StatusOf(() => reader.Seek("SSM", 0)));
    }

    [Fact]
    public void Units_are_sought_by_name_and_instance_and_read_again_and_again()
    {
        var reader = SavedStateReader.Open(new MemoryStream(SavedStateVectors.Read("basic.sav")));
        Assert.Equal(SavedStateStatus.UnitNotFound, StatusOf(() => reader.Seek("nosuch", 0)));
        Assert.Equal(SavedStateStatus.UnitNotFound, StatusOf(() => reader.Seek("bulk", 0)));
        for (var i = 0; i < 2; i++)
        {
            Assert.Equal(7U, reader.Seek("bulk", 2).Version);
            Assert.Equal(1167129, ReadUnit(reader).Length);
            reader.End();
        }
        Assert.Equal("struct", reader.NextUnit()!.Name);
        Assert.Equal(1U, reader.Seek("SSM", 0).Version);
        reader.Skip();
        Assert.Equal("prims", reader.NextUnit()!.Name);
    }

    [Fact]
    public void Files_of_the_stand_alone_writer_can_be_sought_but_end_where_the_end_is_missing()
    {
        var reader = SavedStateReader.Open(new MemoryStream(SavedStateVectors.Read("openwrite.sav")));
        Assert.Equal(4U, reader.Seek("alpha", 0).Version);
        Assert.Equal("\n\0\0\0alpha-data"u8.ToArray(), ReadUnit(reader));
        Assert.Equal(5U, reader.Seek("beta", 1).Version);
        Assert.Equal([42, 0, 0, 0, 0, 0, 0, 0], ReadUnit(reader));
        reader.End();
        Assert.Equal(SavedStateStatus.IntegrityUnitMagic, StatusOf(() => reader.NextUnit()));
    }

    [Theory]
    [MemberData(nameof(Verdicts))]
    public void Every_verdict_is_that_of_VirtualBox(string file)
    {
        var octets = file == "lens.sav" ? Lens() : SavedStateVectors.Read($"verdicts/{file}");
        var lines = Verdict(file).GetProperty("virtualbox_7_1_6_result").EnumerateArray().Select(l => l.GetString()!).ToList();
        Assert.Equal(lines.Where(l => l.StartsWith("validate", StringComparison.Ordinal)), [
            $"validate={(int)StatusOf(() => SavedStateReader.Validate(new MemoryStream(octets), checksum: false))}"
            + $" validate_crc={(int)StatusOf(() => SavedStateReader.Validate(new MemoryStream(octets), checksum: true))}"
            + $" open={(int)StatusOf(() => SavedStateReader.Open(new MemoryStream(octets)))}",
        ]);
        foreach (Match seek in lines.Select(l => SeekLine().Match(l)).Where(m => m.Success))
        {
            var reader = SavedStateReader.Open(new MemoryStream(octets));
            var unit = reader.Seek(seek.Groups["name"].Value, uint.Parse(seek.Groups["instance"].Value, CultureInfo.InvariantCulture));
            using var data = new MemoryStream();
            var end = StatusOf(() => ReadTo(reader, data));
            Assert.Equal(seek.Value, $"seek {unit.Name}/{unit.Instance}=0 ver={unit.Version} bytes={data.Length} crc={RawSavedState.Checksum(data.ToArray()):x8} endrc={(int)(end == SavedStateStatus.Ok ? SavedStateStatus.LoadedTooMuch : end)}");
        }
        Assert.Equal(
            lines.Where(l => l.StartsWith("load", StringComparison.Ordinal)).Select(l => l.Split(" pass=")[0]),
            Load(octets));
    }

    [Fact]
    public void The_vector_with_all_lengths_is_what_VirtualBox_judged() =>
        Assert.Equal("cafbbb1339985e0ea8a8b18f26831b77fc0cbbf2cbada009e44f235402c9bcad", Convert.ToHexStringLower(SHA256.HashData(Lens())));

    [Fact]
    public void Octets_quoted_from_files_of_other_versions_are_read()
    {
        using var quoted = JsonDocument.Parse(SavedStateVectors.Read("genuine_fragments.json"));
        var start = Convert.FromHexString(quoted.RootElement.GetProperty("v5_1_28_first_171_bytes_hex").GetString()!);
        var reader = SavedStateReader.Open(new OneWayStream(start));
        Assert.Equal((5, 1, 28, 117968, 64, 42), (reader.Header.Major, reader.Header.Minor, reader.Header.Build, reader.Header.Revision, reader.Header.HostBits, reader.Header.UnitCount));
        var unit = reader.NextUnit()!;
        Assert.Equal(("SSM", SavedStateUnit.FinalPass), (unit.Name, unit.Pass));
        Assert.Equal(57, ReadUnit(reader, 57).Length);
    }

    public static TheoryData<string> Verdicts()
    {
        using var document = JsonDocument.Parse(SavedStateVectors.Read("verdicts/verdicts.json"));
        return [.. document.RootElement.EnumerateObject().Select(p => p.Name)];
    }

    internal static SavedStateStatus StatusOf(Action action) => Record.Exception(action) switch
    {
        null => SavedStateStatus.Ok,
        SavedStateException refused => refused.Status,
        var other => throw other,
    };

    internal static byte[] ReadUnit(SavedStateReader reader, int limit = int.MaxValue)
    {
        using var data = new MemoryStream();
        ReadTo(reader, data, limit);
        return data.ToArray();
    }

    /// <summary>What the original's test program did: load every unit by passing over it.</summary>
    private static IEnumerable<string> Load(byte[] octets)
    {
        var lines = new List<string>();
        var end = StatusOf(() =>
        {
            var reader = SavedStateReader.Open(new MemoryStream(octets));
            while (reader.NextUnit() is { } unit)
            {
                lines.Add($"load {unit.Name} ver={unit.Version}");
                Assert.Equal(SavedStateUnit.FinalPass, unit.Pass);
                reader.Skip();
            }
        });
        return lines.Append($"load={(int)end}");
    }

    private static void ReadTo(SavedStateReader reader, Stream data, int limit = int.MaxValue)
    {
        var part = new byte[1000];
        while (limit > 0 && reader.Read(part.AsSpan(0, Math.Min(part.Length, limit))) is > 0 and var count)
        {
            data.Write(part, 0, count);
            limit -= count;
        }
    }

    private static JsonElement Verdict(string file) =>
        JsonDocument.Parse(SavedStateVectors.Read("verdicts/verdicts.json")).RootElement.GetProperty(file);

    /// <summary>Raw records with every form a length can have, longer ones than needed among them, and an empty one.</summary>
    private static byte[] Lens()
    {
        var noise = SavedStateVectors.Noise(1, 2097152);
        return new RawSavedState()
            .Unit("len", 0, 1)
            .Octets(0x92, 5).Octets(noise[..5])
            .Octets(0x92, 0x7F).Octets(noise[5..132])
            .Octets(0x92, 0xC2, 0x80).Octets(noise[..128])
            .Octets(0x92, 0xDF, 0xBF).Octets(noise[..2047])
            .Octets(0x92, 0xE0, 0xA0, 0x80).Octets(noise[..2048])
            .Octets(0x92, 0xEF, 0xBF, 0xBF).Octets(noise[..65535])
            .Octets(0x92, 0xF0, 0x90, 0x80, 0x80).Octets(noise[..65536])
            .Octets(0x92, 0xF7, 0xBF, 0xBF, 0xBF).Octets(noise[..2097151])
            .Octets(0x92, 0xF8, 0x88, 0x80, 0x80, 0x80).Octets(noise)
            .Octets(0x92, 0xC0, 0x82).Octets("nm"u8.ToArray())
            .Octets(0x92, 0xE0, 0x80, 0x83).Octets("nm3"u8.ToArray())
            .Octets(0x92, 0)
            .Terminator()
            .End()
            .Finish();
    }

    [GeneratedRegex("^seek (?<name>\\w+)/(?<instance>\\d+)=0 .*")]
    private static partial Regex SeekLine();

    private sealed class OneWayStream(byte[] octets) : Stream
    {
        private readonly TricklingStream _octets = new(octets);

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => _octets.Read(buffer, offset, count);

        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            // Every octet a turn of the scheduler would make this test the slowest of all.
            ValueTask.FromResult(_octets.Read(buffer.Span));

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
