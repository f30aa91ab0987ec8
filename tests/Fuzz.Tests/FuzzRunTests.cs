using Cutpoint.Formats;

namespace Cutpoint.Fuzz;

/// <summary>The harness itself: what a defective parser does is noticed, and can be made again.</summary>
public sealed class FuzzRunTests
{
    private static readonly TimeSpan Short = TimeSpan.FromMilliseconds(200);

    [Fact]
    public void A_case_is_the_same_whenever_it_is_made()
    {
        foreach (var target in FuzzTargets.All)
        {
            var (octets, reading) = new FuzzCase(target, 3, 17).Make();
            var (again, readingAgain) = new FuzzCase(target, 3, 17).Make();

            Assert.Equal(octets, again);
            Assert.Equal(reading.Next(), readingAgain.Next());
        }
    }

    [Fact]
    public void Cases_differ()
    {
        var cases = Enumerable.Range(0, 200).Select(number => Convert.ToHexString(new FuzzCase(FuzzTargets.Named("ber"), 1, number).Make().Octets));

        Assert.True(cases.Distinct().Count() > 180);
    }

    [Fact]
    public void An_exception_that_is_no_refusal_is_a_failure() => Fails("no refusal", _ => throw new KeyNotFoundException());

    [Fact]
    public void More_memory_than_allowed_is_a_failure() => Fails("octets allocated", _ => GC.KeepAlive(new byte[8 << 20]));

    [Fact]
    public void A_parser_that_hangs_is_a_failure()
    {
        // Left to the collector: the case that was given up may be in it still.
        var never = new ManualResetEventSlim();
        Fails("not done", _ => never.Wait(), Short);
        never.Set();
    }

    [Fact]
    public void A_refusal_without_offset_reason_or_advice_is_a_failure()
    {
        Fails("offset 5000 of", _ => throw new MalformedInputException("F", 5000, "reason", "advice"));
        Fails("offset -1 of", _ => throw new MalformedInputException("F", -1, "reason", "advice"));
        Fails("without a reason", _ => throw new MalformedInputException("F", 0, " ", "advice"));
        Fails("without advice", _ => throw new MalformedInputException("F", 0, "reason"));
        Fails("without an offset", _ => throw new SnapshotException(ErrorCode.VerificationFailed, "message", "advice"));
    }

    [Fact]
    public void The_first_failing_case_is_kept_with_its_input()
    {
        var report = new FuzzRun(new Parser(octets => _ = octets.Length > 20 ? throw new InvalidOperationException() : 0), 1).Run(0, 1000, 1, default);

        var failure = Assert.IsType<FuzzFailure>(report.Failure);
        Assert.True(failure.Octets.Length > 20);
        Assert.Equal(failure.Octets, failure.Case.Make().Octets);
        Assert.Equal(failure.Case.Number, report.Read);
    }

    private static void Fails(string reason, Action<byte[]> read, TimeSpan? deadline = null)
    {
        var report = new FuzzRun(new Parser(read), 1, deadline).Run(0, 10, 1, default);

        Assert.Contains(reason, report.Failure?.Reason, StringComparison.Ordinal);
    }

    private sealed class Parser(Action<byte[]> read) : FuzzTarget
    {
        public override string Name => "test";

        public override void Read(byte[] octets, Random random) => read(octets);

        protected override IEnumerable<byte[]> Golden() => ["0123456789"u8.ToArray()];
    }
}
