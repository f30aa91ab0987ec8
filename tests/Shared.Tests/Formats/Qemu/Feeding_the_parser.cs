using Cutpoint.Formats;
using Cutpoint.Formats.Qemu;
using FsCheck;
using FsCheck.Fluent;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>However the octets come in, the same comes out, in bounded memory.</summary>
public sealed class Feeding_the_parser
{
    private static readonly string[] StreamNames = ["toy8-ignore-shared", "compress-7.2", "xbzrle-7.2", "dirty-bitmap-7.2", "early-10.0"];

    [Theory]
    [InlineData("toy8-ignore-shared")]
    [InlineData("early-10.0")]
    [InlineData("background-7.2")]
    public async Task One_octet_at_a_time_gives_the_same(string name)
    {
        var stream = Vectors.Stream(name);
        var (expected, part) = await Vectors.ParseAsync(stream);
        var memory = new CollectedMemory();
        var parser = new QemuStreamParser(memory);

        for (var i = 0; i < stream.Length; i++) Assert.Equal(1, parser.Consume(stream.AsSpan(i, 1)));

        AssertSame(expected, part, memory, parser.Complete());
        Assert.Equal(stream.Length, parser.Position);
    }

    [Fact]
    public void Pieces_of_any_size_give_the_same()
    {
        var streams = StreamNames.Select(n => (Stream: Vectors.Stream(n), Expected: Vectors.ParseAsync(n).GetAwaiter().GetResult()))
            .ToArray();
        var sizes = Gen.OneOf(Gen.Choose(1, 30), Gen.Choose(4000, 5000), Gen.Choose(1, 200_000));
        var cases = Gen.Zip(Gen.Choose(0, streams.Length - 1), Gen.NonEmptyListOf(sizes));

        Prop.ForAll(cases.ToArbitrary(), input =>
        {
            var (stream, expected) = streams[input.Item1];
            var memory = new CollectedMemory();
            var parser = new QemuStreamParser(memory);
            for (int at = 0, piece = 0; at < stream.Length; piece++)
            {
                var length = Math.Min(input.Item2[piece % input.Item2.Count], stream.Length - at);
                at += parser.Consume(stream.AsSpan(at, length));
                // Tiny pieces all the way take too long; a start of them is enough.
                if (piece == 500) at += parser.Consume(stream.AsSpan(at));
            }

            AssertSame(expected.Memory, expected.Part, memory, parser.Complete());
        }).Check(Config.QuickThrowOnFailure.WithMaxTest(60));
    }

    [Fact]
    public void A_full_visitor_gets_no_further_page_until_the_caller_goes_on()
    {
        var stream = Vectors.Stream("toy8-ignore-shared");
        var visitor = new FullAfterEveryPage();
        var parser = new QemuStreamParser(visitor);

        var rounds = 0;
        for (var at = 0; at < stream.Length; rounds++)
        {
            var before = visitor.Pages;
            at += parser.Consume(stream.AsSpan(at));
            Assert.InRange(visitor.Pages - before, 0, 1);
            visitor.IsFull = false;
        }

        Assert.Equal(130, visitor.Pages);
        Assert.InRange(rounds, 130, 140);
        Assert.Equal(31, parser.Complete().Devices.Count);
    }

    [Fact]
    public async Task Parsing_a_stream_awaits_room_for_a_full_visitor()
    {
        foreach (var name in new[] { "toy8-ignore-shared", "mapped-ram-10.0" })
        {
            var visitor = new FullAfterEveryPage();
            using var input = new MemoryStream(Vectors.Stream(name));
            await QemuStreamParser.ParseAsync(input, visitor);

            Assert.Equal(visitor.Pages, visitor.Drained);
        }
    }

    [Fact]
    public void Pages_cost_no_allocation()
    {
        var stream = Vectors.Stream("toy8");
        var visitor = new FullAfterEveryPage { Never = true };

        var parser = new QemuStreamParser(visitor);
        var first = stream.AsSpan(0, 2_000_000);
        parser.Consume(first[..10_000]);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var at = 10_000; at < first.Length; at += 3001) parser.Consume(first[at..Math.Min(at + 3001, first.Length)]);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 20_000);
        Assert.True(visitor.Pages > 1000);
    }

    [Fact]
    public void An_endless_device_part_is_refused_at_the_limit()
    {
        var stream = Vectors.Stream("toy8-ignore-shared");
        var parser = new QemuStreamParser(new CollectedMemory(), new QemuStreamOptions { DeviceStateLimit = 1 << 16 });

        var error = Assert.Throws<MalformedInputException>(() => parser.Consume(stream));

        Assert.Contains("65536 octets of device state", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Advice);
        Assert.Throws<ObjectDisposedException>(() => parser.Consume(stream));
    }

    [Fact]
    public async Task Cancellation_ends_parsing()
    {
        using var input = new MemoryStream(Vectors.Stream("toy8-ignore-shared"));

        await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => QemuStreamParser.ParseAsync(input, new CollectedMemory(), cancellation: new CancellationToken(true)));
    }

    private static void AssertSame(CollectedMemory expected, QemuDevicePart expectedPart, CollectedMemory actual, QemuDevicePart actualPart)
    {
        Assert.Equal(expected.Marks, actual.Marks);
        Assert.Equal(expected.Bitmaps, actual.Bitmaps);
        Assert.Equal(expected.PagesReported, actual.PagesReported);
        Assert.Equal(expected.Blocks, actual.Blocks);
        Assert.All(expected.Pages, p => Assert.True(p.Value.AsSpan().SequenceEqual(actual.Pages[p.Key])));
        Assert.Equal(expectedPart.Devices.Select(Show), actualPart.Devices.Select(Show));

        static string Show(DeviceSection d) => $"{d} {d.SectionId} {d.StreamOffset} {d.IsEarly} {Convert.ToHexString(d.Payload.Span)}";
    }

    private sealed class FullAfterEveryPage : IQemuStreamVisitor
    {
        public bool Never { get; init; }

        public bool IsFull { get; set; }

        public int Pages { get; private set; }

        public int Drained { get; private set; }

        public void OnConfiguration(QemuConfiguration configuration)
        {
        }

        public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks)
        {
        }

        public void OnPage(int block, long offset, ReadOnlySpan<byte> page) => OnZeroPage(block, offset);

        public void OnZeroPage(int block, long offset)
        {
            Assert.False(IsFull);
            Pages++;
            IsFull = !Never;
        }

        public ValueTask DrainAsync(CancellationToken cancellation)
        {
            Drained++;
            IsFull = false;
            return ValueTask.CompletedTask;
        }
    }
}
