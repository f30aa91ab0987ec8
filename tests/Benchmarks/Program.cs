using Cutpoint.Benchmarks.Guests;

// `guest ROWS` measures real guests against the commands users have today; everything else is BenchmarkDotNet's.
if (args is ["guest", var rows]) return await GuestBench.RunAsync(rows);
BenchmarkDotNet.Running.BenchmarkSwitcher.FromAssembly(typeof(GuestBench).Assembly).Run(args);
return 0;
