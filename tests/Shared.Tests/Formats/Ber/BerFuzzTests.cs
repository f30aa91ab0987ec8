using System.Globalization;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>Mutations of the golden files. CUTPOINT_FUZZ_CASES sets their number; case N is the same on every machine.</summary>
public class BerFuzzTests
{
    private const int DefaultCases = 10_000;

    // Octets that mean something to BER: mutations that use them get further than random ones.
    private static readonly byte[] _telling =
        [0x00, 0x01, 0x02, 0x04, 0x05, 0x0c, 0x1f, 0x20, 0x24, 0x2c, 0x30, 0x7f, 0x80, 0x81, 0x82, 0x84, 0x88, 0x89, 0xfe, 0xff];

    private static int Cases =>
        int.TryParse(Environment.GetEnvironmentVariable("CUTPOINT_FUZZ_CASES"), CultureInfo.InvariantCulture, out var cases)
            ? cases
            : DefaultCases;

    [Fact]
    public void Mutated_files_are_read_or_refused_and_nothing_else()
    {
        var golden = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "Formats", "Ber", "vectors"), "*.ber")
            .Order(StringComparer.Ordinal).Select(File.ReadAllBytes).ToArray();
        var (read, refused) = (0, 0);
        for (var number = 0; number < Cases; number++)
        {
            var random = new Random(number);
            var octets = Mutate(golden[random.Next(golden.Length)], golden, random);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                ReadAll(octets, random);
                read++;
            }
            catch (MalformedInputException error)
            {
                Assert.InRange(error.Offset, 0, octets.Length);
                Assert.NotNull(error.Advice);
                refused++;
            }
            catch (Exception error) when (error is not Xunit.Sdk.XunitException)
            {
                Assert.Fail($"case {number}: {error}\n{Convert.ToHexString(octets)}");
            }

            Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 1 << 20, $"case {number} allocated too much");
        }

        Assert.True(Cases < 100 || (read > 0 && refused > 0), "the mutations are either all harmless or all fatal");
    }

    private static void ReadAll(byte[] octets, Random random)
    {
        var mode = random.Next(2) == 0 ? BerReadMode.Strict : BerReadMode.SeedCompatible;
        using var reader = random.Next(2) == 0
            ? new BerSnapshotReader(octets, mode)
            : new BerSnapshotReader(new MemoryStream(octets), mode);
        var asTrees = random.Next(2) == 0;
        var events = 0;
        while (reader.Read())
        {
            Assert.True(++events <= octets.Length, "more events than octets");
            Assert.NotNull(reader.Path);
            if (asTrees && reader.Event == BerSnapshotEvent.GroupStart) reader.ReadState();
        }

        var spans = new BerSpanReader(octets);
        while (!spans.IsAtEnd) Assert.False(spans.ReadValue().IsEmpty);
    }

    private static byte[] Mutate(byte[] source, byte[][] others, Random random)
    {
        var octets = new List<byte>(source);
        for (var count = random.Next(1, 4); count > 0 && octets.Count > 0; count--)
        {
            // Most of the RAM file is two pages, in which nothing can go wrong: prefer the structure at the start.
            var at = random.Next(random.Next(4) > 0 ? Math.Min(octets.Count, 160) : octets.Count);
            switch (random.Next(7))
            {
                case 0:
                    octets[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 1:
                    octets[at] = _telling[random.Next(_telling.Length)];
                    break;
                case 2:
                    octets.Insert(at, _telling[random.Next(_telling.Length)]);
                    break;
                case 3:
                    octets.RemoveRange(at, Math.Min(random.Next(1, 9), octets.Count - at));
                    break;
                case 4:
                    octets.RemoveRange(at, octets.Count - at);
                    break;
                case 5:
                    octets.InsertRange(random.Next(octets.Count), octets.GetRange(at, Math.Min(random.Next(1, 40), octets.Count - at)));
                    break;
                default:
                    var other = others[random.Next(others.Length)];
                    var start = random.Next(other.Length);
                    octets.InsertRange(at, other.AsSpan(start, Math.Min(random.Next(1, 80), other.Length - start)));
                    break;
            }
        }

        return [.. octets];
    }
}
