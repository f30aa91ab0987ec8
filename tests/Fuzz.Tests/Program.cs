using System.Diagnostics;
using System.Globalization;
using Cutpoint;
using Cutpoint.Fuzz;

// The nightly run, and the way to look at one case again: ./build.sh fuzz passes its arguments here.
const long DefaultCases = 1_000_000;
const int DefaultSeed = 1;
try
{
    var options = Options(args);
    using var interrupted = new CancellationTokenSource();
    Console.CancelKeyPress += (_, e) =>
    {
        e.Cancel = true;
        interrupted.Cancel();
    };
    var targets = options.TryGetValue("parser", out var name) ? [FuzzTargets.Named(name)] : FuzzTargets.All;
    if (options.TryGetValue("file", out var file)) return Replay(targets, file);
    var seed = Number("seed", DefaultSeed);
    var (first, count) = options.ContainsKey("case") ? (Number("case", 0), 1L) : (0L, Number("cases", DefaultCases));
    var failures = 0;
    foreach (var target in targets)
    {
        var watch = Stopwatch.StartNew();
        var report = new FuzzRun(target, (int)seed).Run(first, count, Environment.ProcessorCount, interrupted.Token);
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{target.Name,-14} seed {seed}  {report.Read,8} read  {report.Refused,8} refused  most allocated {report.MostAllocated >> 10,5} KiB  longest {report.Longest.TotalMilliseconds,6:F1} ms  {watch.Elapsed.TotalSeconds,6:F1} s"));
        if (interrupted.IsCancellationRequested) return 130;
        if (report.Failure is not { } failure) continue;
        failures++;
        Console.Error.WriteLine($"FAILED {failure}");
        Console.Error.WriteLine($"  saved as {failure.Save(options.GetValueOrDefault("output", "artifacts/fuzz"))}");
        Console.Error.WriteLine($"  again:   ./build.sh fuzz --parser={target.Name} --seed={seed} --case={failure.Case.Number}");
    }

    return failures == 0 ? 0 : 1;

    long Number(string option, long otherwise) => !options.TryGetValue(option, out var text) ? otherwise
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw new ArgumentException($"--{option} takes a number, not '{text}'");
}
catch (ArgumentException wrong)
{
    Console.Error.WriteLine($"fuzz: {wrong.Message}");
    return 2;
}

static int Replay(IReadOnlyList<FuzzTarget> targets, string file)
{
    if (targets.Count != 1) throw new ArgumentException("--file needs --parser NAME");
    try
    {
        targets[0].Read(File.ReadAllBytes(file), new Random(0));
        Console.WriteLine("read as sound");
    }
    catch (SnapshotException error)
    {
        Console.WriteLine($"refused: {error.Message} — {error.Advice}");
    }

    return 0;
}

static Dictionary<string, string> Options(string[] arguments)
{
    string[] known = ["parser", "seed", "case", "cases", "file", "output"];
    var options = new Dictionary<string, string>(StringComparer.Ordinal);
    foreach (var argument in arguments)
    {
        var parts = argument.Split('=', 2);
        if (parts.Length != 2 || !parts[0].StartsWith("--", StringComparison.Ordinal) || !known.Contains(parts[0][2..]))
            throw new ArgumentException($"'{argument}' — known are {string.Join(", ", known.Select(option => $"--{option}=…"))}");
        options[parts[0][2..]] = parts[1];
    }

    return options;
}
