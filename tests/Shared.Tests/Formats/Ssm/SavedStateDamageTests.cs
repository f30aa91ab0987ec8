using System.Buffers.Binary;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Shared.Tests.Formats.Ssm;

/// <summary>Damage is found where the format says, with the number it has there.</summary>
public sealed class SavedStateDamageTests
{
    private const int FirstUnit = 0x40;
    private const int FirstTerminator = 0xBC;
    private const int SecondUnit = 0xCC;
    private const int SecondTerminator = 0x103;
    private const int End = 0x113;
    private const int Directory = 0x13F;
    private const int Footer = 0x16F;

    [Fact]
    public void Every_flipped_bit_of_a_file_is_found_and_named_as_VirtualBox_names_it()
    {
        var golden = SavedStateVectors.Read("tiny.sav");
        for (var at = 0; at < golden.Length; at++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                var octets = golden.ToArray();
                octets[at] ^= (byte)(1 << bit);
                var plain = Status(octets, o => SavedStateReader.Validate(o, checksum: false));
                var full = Status(octets, o => SavedStateReader.Validate(o, checksum: true));
                var load = Status(octets, Load);
                Assert.True(Structure(at) is var expected && expected.Contains(load), $"octet {at:x} bit {bit}: {load}");
                var inside = at is >= FirstUnit and < Footer;
                Assert.Equal(inside ? SavedStateStatus.Ok : load, plain);
                Assert.Equal(inside ? SavedStateStatus.IntegrityCrc : load, full);
            }
        }
    }

    [Fact]
    public void Every_truncation_and_every_addition_is_found()
    {
        var golden = SavedStateVectors.Read("tiny.sav");
        for (var length = 0; length < golden.Length; length++)
            Assert.Equal(length < 64 ? SavedStateStatus.EndOfFile : SavedStateStatus.IntegrityFooter, Status(golden[..length], o => SavedStateReader.Open(o)));
        Assert.Equal(SavedStateStatus.IntegrityFooter, Status([.. golden, 0], o => SavedStateReader.Open(o)));
    }

    [Fact]
    public void A_stream_that_ends_early_is_found_wherever_it_ends()
    {
        var golden = SavedStateVectors.Read("tiny.sav");
        for (var length = 0; length < golden.Length; length++)
        {
            var inUnit = length is >= 0x70 and < FirstTerminator + 16 or >= 0xFD and < End;
            Assert.Equal(inUnit ? SavedStateStatus.LoadedTooMuch : SavedStateStatus.EndOfFile, Status(golden[..length], Load, canSeek: false));
        }
        Assert.Equal(SavedStateStatus.Ok, Status(golden, Load, canSeek: false));
    }

    [Fact]
    public void What_a_valid_checksum_covers_is_checked_all_the_same()
    {
        Header(SavedStateStatus.Integrity, h => h[47] = 1);
        Header(SavedStateStatus.Integrity, h => h[52] = 5);
        Header(SavedStateStatus.Integrity, h => h[57] = 2);
        Header(SavedStateStatus.Integrity, h => h[56] = 1);
        Header(SavedStateStatus.IntegrityProgramVersion, h => h[32] = 0);
        Header(SavedStateStatus.IntegrityProgramVersion, h => h[35] = 4);
        Header(SavedStateStatus.IntegrityHeader, h => h[44] = 16);
        Header(SavedStateStatus.IntegrityHeader, h => h[45] = 5);
        Header(SavedStateStatus.IntegrityHeader, h => h[46] = 0);
        Unit(SavedStateStatus.IntegrityUnit, h => h[8]++);
        Unit(SavedStateStatus.IntegrityUnit, h => h[16]++);
        Unit(SavedStateStatus.IntegrityUnit, h => h[36] = 1);
        Unit(SavedStateStatus.IntegrityUnit, h => h[40] = 49);
        Unit(SavedStateStatus.IntegrityUnit, h => h[^1] = 1);
        Ended(SavedStateStatus.IntegrityUnit, h => h[24] = 1);
        Ended(SavedStateStatus.IntegrityUnit, h => h[28] = 1);
        Ended(SavedStateStatus.IntegrityUnit, h => h[32] = 0);
        Directed(SavedStateStatus.IntegrityDirectory, d => d[12] = 2);
        Directed(SavedStateStatus.IntegrityDirectory, d => d[16] = 63);
        Directed(SavedStateStatus.IntegrityDirectory, d => d[18] = 1);
        Footed(SavedStateStatus.IntegrityFooter, f => f[8]++);
        Footed(SavedStateStatus.IntegrityFooter, f => f[24] = 1);
        Footed(SavedStateStatus.IntegrityFooter, f => f[22] = 1);
        Footed(SavedStateStatus.IntegrityCrc, f => f[16]++);
        Assert.Equal(SavedStateStatus.Integrity, Status(new RawSavedState().Unit("", 0, 1).Terminator().End().Finish(), Load));

        static void Header(SavedStateStatus status, Action<byte[]> change) =>
            Assert.Equal(status, Status(new RawSavedState(1, change).Unit("u", 0, 1).Terminator().End().Finish(), o => SavedStateReader.Open(o)));

        static void Unit(SavedStateStatus status, Action<byte[]> change) =>
            Assert.Equal(status, Status(new RawSavedState().Unit("u", 0, 1, change).Terminator().End().Finish(), Load));

        static void Ended(SavedStateStatus status, Action<byte[]> change) =>
            Assert.Equal(status, Status(new RawSavedState().Unit("u", 0, 1).Terminator().End(change).Finish(), Load));

        static void Directed(SavedStateStatus status, Action<byte[]> change) =>
            Assert.Equal(status, Status(new RawSavedState().Unit("u", 0, 1).Terminator().End().Finish(changeDirectory: change), Load));

        static void Footed(SavedStateStatus status, Action<byte[]> change) =>
            Assert.Equal(status, Status(new RawSavedState().Unit("u", 0, 1).Terminator().End().Finish(changeFooter: change), Load));
    }

    [Theory]
    [InlineData(SavedStateStatus.IntegrityRecordHeader, new byte[] { 0xD2, 1, 0 })]
    [InlineData(SavedStateStatus.IntegrityRecordHeader, new byte[] { 0x96, 1, 0 })]
    [InlineData(SavedStateStatus.IntegrityRecordHeader, new byte[] { 0x92, 0xFE, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80 })]
    [InlineData(SavedStateStatus.IntegrityRecordHeader, new byte[] { 0x92, 0xC2, 0x00, 0 })]
    [InlineData(SavedStateStatus.IntegrityRecordHeader, new byte[] { 0x92, 0xF0, 0x80, 0x80, 0x81, 0 })]
    [InlineData(SavedStateStatus.IntegrityRecordHeader, new byte[] { 0x92, 0xF8, 0x80, 0x80, 0x80, 0x81, 0 })]
    [InlineData(SavedStateStatus.IntegrityRecordHeader, new byte[] { 0x92, 0xFC, 0x80, 0x80, 0x80, 0x80, 0x81, 0 })]
    [InlineData(SavedStateStatus.LoadedTooMuch, new byte[] { 0x92, 0xFD, 0xBF, 0xBF, 0xBF, 0xBF, 0xBF, 0 })]
    [InlineData(SavedStateStatus.IntegrityDecompression, new byte[] { 0x93, 1, 4 })]
    [InlineData(SavedStateStatus.IntegrityDecompression, new byte[] { 0x93, 3, 5, 0, 65 })]
    [InlineData(SavedStateStatus.IntegrityDecompression, new byte[] { 0x93, 3, 4, 0, 65 })]
    [InlineData(SavedStateStatus.IntegrityDecompression, new byte[] { 0x93, 4, 1, 0x20, 0x00, 0 })]
    [InlineData(SavedStateStatus.IntegrityDecompression, new byte[] { 0x94, 2, 1, 1 })]
    [InlineData(SavedStateStatus.IntegrityDecompression, new byte[] { 0x94, 1, 5 })]
    [InlineData(SavedStateStatus.BadRecordType, new byte[] { 0x95, 1, 0 })]
    public void Records_that_are_wrong_are_found_when_data_are_read(SavedStateStatus status, byte[] record) =>
        Assert.Equal(status, Status(new RawSavedState().Unit("u", 0, 1).Octets(record).Terminator().End().Finish(), Load));

    [Fact]
    public void Terminators_that_are_wrong_are_found()
    {
        Terminated(SavedStateStatus.IntegrityRecordTerminator, t => t[0] = 0x81);
        Terminated(SavedStateStatus.IntegrityRecordTerminator, t => t[1] = 15);
        Terminated(SavedStateStatus.IntegrityRecordTerminator, t => t[2] = 3);
        Terminated(SavedStateStatus.IntegrityRecordTerminator, t => t[2] = 0);
        Terminated(SavedStateStatus.IntegrityRecordTerminator, t => t[8]++);
        Terminated(SavedStateStatus.IntegrityRecordTerminatorCrc, t => t[4]++);
        // A terminator may go without a checksum.
        Terminated(SavedStateStatus.Ok, t => t.AsSpan(2, 6).Clear());

        static void Terminated(SavedStateStatus status, Action<byte[]> change) =>
            Assert.Equal(status, Status(new RawSavedState().Unit("u", 0, 1).Octets(0x92, 1, 0).Terminator(change).End().Finish(), Load));
    }

    [Fact]
    public void A_unit_must_be_read_exactly()
    {
        var octets = new RawSavedState().Unit("u", 0, 1).Octets(0x92, 4, 1, 2, 3, 4).Octets(0x94, 1, 1).Terminator().End().Finish();
        foreach (var count in new[] { 0, 1, 4, 5, 1027 })
        {
            var reader = SavedStateReader.Open(new MemoryStream(octets));
            reader.NextUnit();
            SavedStateReaderTests.ReadUnit(reader, count);
            Assert.Equal(SavedStateStatus.LoadedTooLittle, SavedStateReaderTests.StatusOf(reader.End));
        }
        var exact = SavedStateReader.Open(new MemoryStream(octets));
        exact.NextUnit();
        SavedStateReaderTests.ReadUnit(exact, 1028);
        exact.End();
        Assert.Null(exact.NextUnit());
        Assert.Equal(SavedStateStatus.InvalidState, SavedStateReaderTests.StatusOf(() => exact.Read(new byte[1])));
    }

    [Fact]
    public void Old_formats_are_checked_too()
    {
        var golden = SavedStateVectors.Read("verdicts/v12.sav");
        Assert.Equal(SavedStateStatus.IntegritySize, Status(golden[..^1], o => SavedStateReader.Open(o)));
        Assert.Equal(SavedStateStatus.IntegrityMachine, Status(Changed(48), o => SavedStateReader.Open(o)));
        Assert.Equal(SavedStateStatus.IntegrityCrc, Status(Changed(0x60), o => SavedStateReader.Open(o)));
        Assert.Equal(SavedStateStatus.Ok, Status(Changed(0x60), o => SavedStateReader.Validate(o, checksum: false)));
        Assert.Equal(SavedStateStatus.NotSupported, Status(golden, o => SavedStateReader.Open(o), canSeek: false));
        // The same with a right checksum: the structure itself is checked.
        Assert.Equal(SavedStateStatus.IntegrityUnitMagic, Status(Sealed(0x50, 1), Load));
        Assert.Equal(SavedStateStatus.IntegrityUnit, Status(Sealed(0x5F, 0x7F), Load));
        Assert.Equal(SavedStateStatus.IntegrityUnit, Status(Sealed(0x68, 100), Load));
        Assert.Equal(SavedStateStatus.IntegrityDecompression, Status(Sealed(0x72, 3), Load));
        Assert.Equal(SavedStateStatus.IntegrityDecompression, Status(Sealed(0x73, 0), Load));
        Assert.Equal(SavedStateStatus.IntegrityDecompression, Status(Sealed(0x7B, 11), Load));

        byte[] Changed(int at)
        {
            var octets = golden.ToArray();
            octets[at] ^= 1;
            return octets;
        }

        byte[] Sealed(int at, byte value)
        {
            var octets = golden.ToArray();
            octets[at] = value;
            BinaryPrimitives.WriteUInt32LittleEndian(octets.AsSpan(40), RawSavedState.Checksum(octets.AsSpan(44, octets.Length - 80)));
            return octets;
        }
    }

    private static SavedStateStatus[] Structure(int at) => at switch
    {
        < 0x17 => [SavedStateStatus.IntegrityMagic],
        < 0x20 => [SavedStateStatus.IntegrityVersion],
        < FirstUnit => [SavedStateStatus.IntegrityCrc],
        < FirstTerminator => InUnit(at - FirstUnit, 4, FirstTerminator - FirstUnit),
        < SecondUnit => InTerminator(at - FirstTerminator),
        < SecondTerminator => InUnit(at - SecondUnit, 5, SecondTerminator - SecondUnit),
        < End => InTerminator(at - SecondTerminator),
        < Directory => (at - End) switch
        {
            < 8 => [SavedStateStatus.IntegrityUnitMagic],
            >= 40 => [SavedStateStatus.IntegrityUnit, SavedStateStatus.IntegrityCrc],
            _ => [SavedStateStatus.IntegrityCrc],
        },
        < Footer => (at - Directory) switch
        {
            < 8 => [SavedStateStatus.IntegrityDirectoryMagic],
            >= 12 and < 16 => [SavedStateStatus.IntegrityDirectory],
            _ => [SavedStateStatus.IntegrityCrc],
        },
        < Footer + 8 => [SavedStateStatus.IntegrityFooter],
        _ => [SavedStateStatus.IntegrityCrc],
    };

    private static SavedStateStatus[] InUnit(int at, int name, int record) => at switch
    {
        < 8 => [SavedStateStatus.IntegrityUnitMagic],
        // A longer name reaches into the data, a shorter one does not end with zero, one of no octets leaves a wrong checksum.
        >= 40 and < 44 => [SavedStateStatus.IntegrityUnit, SavedStateStatus.IntegrityCrc],
        _ when at == 44 + name - 1 => [SavedStateStatus.IntegrityUnit],
        _ when at < 44 + name => [SavedStateStatus.IntegrityCrc, SavedStateStatus.IntegrityUnit],
        _ when at == 44 + name => [SavedStateStatus.IntegrityRecordHeader, SavedStateStatus.IntegrityDecompression, SavedStateStatus.BadRecordType,
            SavedStateStatus.IntegrityRecordTerminator, SavedStateStatus.IntegrityRecordTerminatorCrc],
        _ when at == 44 + name + 1 => [SavedStateStatus.IntegrityRecordHeader, SavedStateStatus.IntegrityRecordTerminator,
            SavedStateStatus.LoadedTooLittle, SavedStateStatus.LoadedTooMuch, SavedStateStatus.BadRecordType, SavedStateStatus.IntegrityDecompression],
        _ when at < record => [SavedStateStatus.IntegrityRecordTerminatorCrc],
        _ => [],
    };

    private static SavedStateStatus[] InTerminator(int at) => at switch
    {
        0 => [SavedStateStatus.IntegrityRecordHeader, SavedStateStatus.IntegrityRecordTerminator, SavedStateStatus.IntegrityDecompression, SavedStateStatus.BadRecordType,
            SavedStateStatus.IntegrityRecordTerminatorCrc, SavedStateStatus.LoadedTooMuch],
        1 or 2 or 3 => [SavedStateStatus.IntegrityRecordTerminator, SavedStateStatus.IntegrityRecordHeader],
        < 8 => [SavedStateStatus.IntegrityRecordTerminatorCrc],
        _ => [SavedStateStatus.IntegrityRecordTerminator],
    };

    private static SavedStateStatus Status(byte[] octets, Action<Stream> action, bool canSeek = true) =>
        SavedStateReaderTests.StatusOf(() => action(canSeek ? new MemoryStream(octets) : new ForwardStream(octets)));

    private static void Load(Stream stream)
    {
        var reader = SavedStateReader.Open(stream);
        while (reader.NextUnit() is not null)
        {
            SavedStateReaderTests.ReadUnit(reader);
            reader.End();
        }
    }

    private sealed class ForwardStream(byte[] octets) : MemoryStream(octets)
    {
        public override bool CanSeek => false;
    }
}
