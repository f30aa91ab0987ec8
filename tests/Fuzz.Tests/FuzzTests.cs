namespace Cutpoint.Fuzz;

/// <summary>The cases every build runs; the nightly run has a hundred times as many.</summary>
public sealed class FuzzTests
{
    private const int Cases = 10_000;
    private const int SmallLength = 16 << 10;

    public static TheoryData<string> Names => [.. FuzzTargets.All.Select(target => target.Name)];

    public static TheoryData<string> NamesOfWhole => [.. FuzzTargets.All.Where(target => target.DetectsTruncation).Select(target => target.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Changed_input_is_read_or_refused_and_nothing_else(string name)
    {
        var report = new FuzzRun(FuzzTargets.Named(name), seed: 0).Run(0, Cases, Environment.ProcessorCount, CancellationToken.None);

        Assert.True(report.Failure is null, $"{report.Failure}\n./build.sh fuzz --parser={name} --seed=0 --case={report.Failure?.Case.Number}");
        Assert.Equal(Cases, report.Read + report.Refused);
        Assert.True(report.Read > 0, "the changes are all fatal: nothing behind the first check is reached");
    }

    [Theory]
    [MemberData(nameof(NamesOfWhole))]
    public void Input_cut_short_at_any_octet_is_refused(string name)
    {
        var target = FuzzTargets.Named(name);
        foreach (var golden in target.Corpus.Where(golden => golden.Length <= SmallLength))
        {
            for (var length = 0; length < golden.Length; length++)
            {
                var error = Assert.ThrowsAny<SnapshotException>(() => target.Read(golden[..length], new Random(length)));
                Assert.Null(target.Object(error, length));
            }
        }
    }
}
