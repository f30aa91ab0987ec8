using System.Globalization;
using Cutpoint.Benchmarks.Guests;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.TestGuests;
using Cutpoint.Repository;
using Cutpoint.Workers.Capture;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Benchmarks.Groups;

/// <summary>What a group is held to: how far apart its guests stop, and what its coordinator costs.</summary>
internal static class GroupRows
{
    private const int ReferenceGuests = 8;
    private const int ReferenceCuts = 1000;
    private const int QemuGuests = 4;
    private const int QemuCuts = 25;
    private const int ManyGuests = 1000;
    private static readonly TimeSpan ReferenceSkew = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan QemuSkew = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan Core = TimeSpan.FromSeconds(1);
    private const long MostMemory = 512L << 20;

    public static IEnumerable<BenchRow> All =>
    [
        new("group-skew-reference", ReferenceAsync),
        new("group-skew-qemu", QemuAsync),
        new("group-coordinator", CoordinatorAsync),
    ];

    private static async Task<bool> ReferenceAsync(BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        using var driver = new ReferenceDriver(TimeProvider.System);
        var plan = PlanOf(Enumerable.Range(0, ReferenceGuests).Select(i => $"reference:g{i}?ram=4MiB&dirty=1000&seed={i}"));
        var skews = new List<TimeSpan>();
        while (skews.Count < ReferenceCuts)
        {
            cancellation.ThrowIfCancellationRequested();
            await using var worker = new CaptureWorker(
                [driver], (_, _) => ValueTask.FromResult<IGuestStore>(new ForgetfulStore()), null, TimeProvider.System);
            skews.Add((await TakeAsync(worker, plan, cancellation)).Skew);
        }
        return Tell("group-skew-reference", $"{ReferenceGuests} reference guests, 1000 dirty pages/s each", skews, ReferenceSkew, output);
    }

    private static async Task<bool> QemuAsync(BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        var home = Directory.CreateDirectory(Path.Combine(guests.Work, "group")).FullName;
        var idle = new GuestOptions { PagesPerSecond = 0 };
        var booted = await Task.WhenAll(
            Enumerable.Range(0, QemuGuests).Select(i => Guest.BootAsync(idle, Path.Combine(home, $"g{i}"), cancellation)));
        try
        {
            var cutpoint = new CutpointProgram(Path.Combine(home, "repository"), Path.Combine(home, "state"));
            await cutpoint.QueryAsync(cancellation, "init");
            var skews = new List<TimeSpan>();
            while (skews.Count < QemuCuts)
            {
                var taken = await cutpoint.QueryAsync(cancellation, ["take", .. booted.Select(guest => guest.Uri)]);
                skews.Add(TimeSpan.Parse((string)taken["job"]!["skew"]!, CultureInfo.InvariantCulture));
            }
            return Tell("group-skew-qemu", $"{QemuGuests} idle QEMU guests on {Environment.ProcessorCount} processors", skews, QemuSkew, output);
        }
        finally
        {
            foreach (var guest in booted) await guest.DisposeAsync();
            Directory.Delete(home, recursive: true);
        }
    }

    private static async Task<bool> CoordinatorAsync(BenchGuests guests, TextWriter output, CancellationToken cancellation)
    {
        var few = await CoordinatorCost.OfAsync(ManyGuests / 10, cancellation);
        var many = await CoordinatorCost.OfAsync(ManyGuests, cancellation);
        // A job over so many guests takes far longer than a second; all of its coordinator's work must not take one.
        var reached = many.Processor < Core && many.PeakMemory < MostMemory;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            group-coordinator: {(reached ? "reached" : "MISSED")}: one job, passes and votes included
              {ManyGuests / 10} guests: {few.Processor.TotalMilliseconds:F0} ms of processor time
              {ManyGuests} guests: {many.Processor.TotalMilliseconds:F0} ms of processor time (under {Core.TotalMilliseconds:F0}), {many.PeakMemory >> 20} MiB at most (under {MostMemory >> 20})
            """));
        return reached;
    }

    /// <summary>A job from its plan to its end, with nothing around it: no journal, no catalog.</summary>
    public static async Task<JobState> TakeAsync(IWorkerPort port, JobPlan plan, CancellationToken cancellation)
    {
        var job = await new JobHost(port, new NoCatalog(), new NoJournal(), null).RunAsync(plan, cancellation);
        return job.Error is { } error ? throw error.ToException() : job;
    }

    /// <summary>The plan of a job over guests.</summary>
    public static JobPlan PlanOf(IEnumerable<string> uris) =>
        new() { JobId = "bench", Guests = [.. uris.Select(uri => new GuestPlan(GuestUri.Parse(uri).Target, uri))] };

    private static bool Tell(string name, string what, List<TimeSpan> skews, TimeSpan most, TextWriter output)
    {
        skews.Sort();
        TimeSpan At(double share) => skews[(int)Math.Ceiling(share * skews.Count) - 1];
        var reached = At(0.99) < most;
        output.WriteLine(string.Create(CultureInfo.InvariantCulture, $"""
            {name}: {(reached ? "reached" : "MISSED")}: between the first stop and the last of {what}
              {skews.Count} cuts: median {At(0.5).TotalMilliseconds:F2} ms, 99th percentile {At(0.99).TotalMilliseconds:F2} ms (under {most.TotalMilliseconds:F0}), worst {skews[^1].TotalMilliseconds:F2} ms
            """));
        return reached;
    }

    private sealed class NoJournal : IJobJournal
    {
        public Task AppendAsync(IReadOnlyList<JobEvent> events, CancellationToken cancellation) => Task.CompletedTask;

        public Task<JobMessage> ReceiveAsync(CancellationToken cancellation) => new TaskCompletionSource<JobMessage>().Task;
    }

    private sealed class NoCatalog : IJobCommit
    {
        public Task CommitAsync(JobState job, CancellationToken cancellation) => Task.CompletedTask;

        public Task DiscardAsync(JobState job) => Task.CompletedTask;
    }
}
