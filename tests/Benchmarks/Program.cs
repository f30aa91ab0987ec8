using System.Globalization;
using Cutpoint.Benchmarks.Groups;
using Cutpoint.Benchmarks.Guests;

// `guest ROWS` measures real guests against the commands users have today; everything else is BenchmarkDotNet's.
if (args is ["guest", var rows]) return await GuestBench.RunAsync(rows);
if (args is [CoordinatorCost.Verb, var count])
{
    await CoordinatorCost.MeasureAsync(int.Parse(count, CultureInfo.InvariantCulture), Console.Out);
    return 0;
}
BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(typeof(GuestBench).Assembly).Run(args);
return 0;
