namespace Cutpoint.Fuzz;

/// <summary>The cases every build runs; the nightly run has a hundred times as many.</summary>
public sealed class FuzzTests
{
    private const int Cases = 10_000;
    private const int SmallLength = 64 << 10;
    private const int CutsOfLarge = 200;

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
        foreach (var golden in target.Cut.Where(golden => golden.Length <= SmallLength))
            Parallel.For(0, golden.Length, length => IsRefused(target, golden, length));
    }

    [Theory]
    [MemberData(nameof(NamesOfWhole))]
    public void Input_too_large_for_every_cut_is_refused_when_it_is_cut_anywhere(string name)
    {
        var target = FuzzTargets.Named(name);
        foreach (var golden in target.Cut.Where(golden => golden.Length > SmallLength))
        {
            var random = new Random(golden.Length);
            Parallel.ForEach(Enumerable.Range(0, CutsOfLarge).Select(_ => random.Next(golden.Length)).Append(golden.Length - 1).ToList(), length => IsRefused(target, golden, length));
        }
    }

    private static void IsRefused(FuzzTarget target, byte[] golden, int length)
    {
        var error = Assert.ThrowsAny<SnapshotException>(() => target.Read(golden[..length], new Random(length)));
        Assert.True(target.Object(error, length) is null, $"cut after {length} of {golden.Length} octets: {target.Object(error, length)}");
    }
}
