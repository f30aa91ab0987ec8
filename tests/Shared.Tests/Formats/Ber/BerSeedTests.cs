using Cutpoint.Formats.Ber;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>Files of the format's first writer, whose signed integers lost their sign octet.</summary>
public class BerSeedTests
{
    [Fact]
    public void Every_value_of_the_golden_file_is_right_or_named_with_the_value_it_was()
    {
        long[] written =
        [
            0, 1, 127, 128, 255, 256, 32767, 32768, 2147483647, 2147483648, long.MaxValue,
            -1, -128, -129, -256, -32768, -32769, -2147483648, long.MinValue,
        ];
        var read = Numbers("03-integers-seed-defect");
        Assert.Equal(written.Length, read.Length);
        for (var index = 0; index < written.Length; index++)
        {
            Assert.Contains((Int128)written[index], new[] { read[index].Value, read[index].Alternative });
            if (read[index].Doubt == BerSignDoubt.None) Assert.Equal(written[index], read[index].Value);
        }

        Assert.Equal(new BerStateInteger(-128, BerSignDoubt.SignLost, 128), read[Array.IndexOf(written, 128)]);
        Assert.Equal(new BerStateInteger(127, BerSignDoubt.RightUnlessNegative, -129), read[Array.IndexOf(written, -129)]);
        Assert.Equal(new BerStateInteger(long.MinValue), read[^1]);
    }

    [Fact]
    public void Integers_that_are_not_BER_have_one_meaning_and_get_it()
    {
        Int128[] meant = [uint.MaxValue, 65408, -65535];
        var read = Numbers("09-bad-nonminimal-integer");
        Assert.Equal(meant, read.Select(value => value.Value));
        Assert.All(read, value => Assert.Equal(BerSignDoubt.Corrected, value.Doubt));
    }

    [Fact]
    public void Doubtful_values_can_be_named()
    {
        using var reader = new BerSnapshotReader(BerVectors.Read("03-integers-seed-defect"), BerReadMode.SeedCompatible);
        var lost = new List<string>();
        while (reader.Read())
        {
            if (reader.Event == BerSnapshotEvent.Integer && reader.Integer.Doubt == BerSignDoubt.SignLost) lost.Add(reader.Path);
        }

        string[] expected = ["ints[0]/3", "ints[0]/4", "ints[0]/7", "ints[0]/9", "ints[0]/11", "ints[0]/12", "ints[0]/15", "ints[0]/17"];
        Assert.Equal(expected, lost);
    }

    [Fact]
    public void What_is_said_of_a_signed_value_is_true_whatever_it_was()
    {
        var fields = from value in ArbMap.Default.GeneratorFor<long>().SelectMany(any => Gen.Choose(0, 63).Select(shift => any >> shift))
                     from width in Gen.Elements(2, 4, 8)
                     select (Value: (value << (64 - (8 * width))) >> (64 - (8 * width)), Width: width);
        Prop.ForAll(fields.ToArbitrary(), field =>
        {
            var read = BerStateInteger.ReadFromSeed(SeedSigned(field.Value, field.Width), 0);
            return (read.Value == field.Value || read.Alternative == field.Value)
                && (read.Doubt is not (BerSignDoubt.None or BerSignDoubt.Corrected) || read.Value == field.Value)
                && (read.Doubt != BerSignDoubt.RightUnlessNegative || field.Value < 0 || read.Value == field.Value);
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void Unsigned_values_are_always_right()
    {
        var values = ArbMap.Default.GeneratorFor<ulong>().SelectMany(any => Gen.Choose(0, 63).Select(shift => any >> shift));
        Prop.ForAll(values.ToArbitrary(), value =>
        {
            var contents = new byte[BerInteger.MaxLength];
            var length = BerInteger.Measure(value);
            BerInteger.Write(contents, value, length);
            var read = BerStateInteger.ReadFromSeed(contents.AsSpan(0, length), 0);
            return read.Value == value && read.Doubt is BerSignDoubt.None or BerSignDoubt.RightUnlessNegative;
        }).QuickCheckThrowOnFailure();
    }

    [Fact]
    public void An_instance_of_minus_one_is_read_as_the_first_writer_wrote_it()
    {
        using var stream = new MemoryStream();
        using var writer = new BerWriter(stream);
        writer.BeginConstructed(BerSnapshot.File);
        writer.WriteInteger(3L);
        writer.BeginConstructed(BerTag.Sequence);
        writer.BeginConstructed(BerSnapshot.OpeningSection);
        writer.WriteUtf8String("dev");
        writer.WriteInteger(1L);
        writer.WriteInteger(ulong.MaxValue);
        writer.WriteInteger(1L);
        for (var depth = 0; depth < 3; depth++) writer.EndConstructed();
        writer.Flush();

        using var strict = new BerSnapshotReader(stream.ToArray());
        Assert.Throws<Cutpoint.Formats.MalformedInputException>(() => strict.Read());
        using var seed = new BerSnapshotReader(stream.ToArray(), BerReadMode.SeedCompatible);
        Assert.True(seed.Read());
        Assert.Equal(uint.MaxValue, seed.Section!.InstanceId);
    }

    // The first writer: leading octets equal to the sign extension are left out, down to one octet.
    private static byte[] SeedSigned(long value, int width)
    {
        var octets = Enumerable.Range(0, width).Select(index => (byte)(value >> (8 * (width - 1 - index)))).ToArray();
        var extension = value < 0 ? 0xff : 0x00;
        var first = 0;
        while (first < width - 1 && octets[first] == extension) first++;
        return octets[first..];
    }

    private static BerStateInteger[] Numbers(string name)
    {
        using var reader = new BerSnapshotReader(BerVectors.Read(name), BerReadMode.SeedCompatible);
        var numbers = new List<BerStateInteger>();
        while (reader.Read())
        {
            if (reader.Event == BerSnapshotEvent.Integer) numbers.Add(reader.Integer);
        }

        return [.. numbers];
    }
}
