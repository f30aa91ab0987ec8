using System.Diagnostics;

namespace Cutpoint.Fuzz;

/// <summary>
/// Runs the cases of one target on several threads, each with cases of its own. Ends at the first case that fails: by an exception that is no refusal, a refusal that
/// lacks offset, reason or advice, more memory than the target allows, or more time than <see cref="CaseDeadline"/>.
/// </summary>
public sealed class FuzzRun(FuzzTarget target, int seed, TimeSpan? caseDeadline = null)
{
    /// <summary>A case takes a millisecond; one that takes this long hangs, however busy the machine is.</summary>
    public static readonly TimeSpan CaseDeadline = TimeSpan.FromMinutes(1);

    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(1);

    private readonly TimeSpan _deadline = caseDeadline ?? CaseDeadline;
    private FuzzFailure? _failure;

    /// <summary>Runs a range of cases.</summary>
    /// <param name="first">Number of the first case.</param>
    /// <param name="count">How many.</param>
    /// <param name="threads">Threads that share them.</param>
    /// <param name="cancellation">Ends the run after the cases in hand.</param>
    public FuzzReport Run(long first, long count, int threads, CancellationToken cancellation)
    {
        // Loaded before anything is measured.
        _ = target.Corpus.Count;
        var workers = Enumerable.Range(0, threads).Select(number => new Worker(this, first + number, first + count, threads, cancellation)).ToList();
        foreach (var worker in workers) worker.Start();
        foreach (var worker in workers)
        {
            while (!worker.Join(WatchInterval < _deadline ? WatchInterval : _deadline) && _failure is null)
            {
                if (workers.Find(w => w.Running > _deadline) is { } stuck) Fail(stuck.Case!, $"not done after {_deadline.TotalSeconds} s", null);
            }
        }

        return new FuzzReport(
            workers.Sum(w => w.Accepted), workers.Sum(w => w.Refused), workers.Max(w => w.MostAllocated), workers.Max(w => w.Longest), _failure);
    }

    private void Fail(FuzzCase at, string reason, Exception? cause) =>
        Interlocked.CompareExchange(ref _failure, new FuzzFailure(at, at.Make().Octets, reason, cause), null);

    private sealed class Worker
    {
        private readonly FuzzRun _run;
        private readonly Thread _thread;
        private readonly (long First, long End, int Step) _range;
        private readonly CancellationToken _cancellation;
        private long _started;

        public Worker(FuzzRun run, long first, long end, int step, CancellationToken cancellation)
        {
            _run = run;
            _range = (first, end, step);
            _cancellation = cancellation;
            // In the background: one that hangs must not keep the process.
            _thread = new Thread(Work) { IsBackground = true };
        }

        public long Accepted { get; private set; }

        public long Refused { get; private set; }

        public long MostAllocated { get; private set; }

        public TimeSpan Longest { get; private set; }

        public FuzzCase? Case { get; private set; }

        public TimeSpan Running => Volatile.Read(ref _started) is not 0 and var started ? Stopwatch.GetElapsedTime(started) : default;

        public void Start() => _thread.Start();

        public bool Join(TimeSpan timeout) => _thread.Join(timeout);

        private void Work()
        {
            for (var number = _range.First; number < _range.End; number += _range.Step)
            {
                if (_cancellation.IsCancellationRequested || _run._failure is not null) return;
                Case = new FuzzCase(_run.Target, _run.Seed, number);
                Volatile.Write(ref _started, Stopwatch.GetTimestamp());
                Try(Case);
                var time = Running;
                Volatile.Write(ref _started, 0);
                if (time > Longest) Longest = time;
            }
        }

        private void Try(FuzzCase @case)
        {
            var (octets, reading) = @case.Make();
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                _run.Target.Read(octets, reading);
                Accepted++;
            }
            catch (SnapshotException error)
            {
                Refused++;
                if (_run.Target.Object(error, octets.Length) is { } objection) _run.Fail(@case, objection, error);
            }
            catch (Exception error)
            {
                _run.Fail(@case, "an exception that is no refusal", error);
            }

            var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
            if (allocated > MostAllocated) MostAllocated = allocated;
            if (allocated > _run.Target.AllocationLimit(octets.Length))
                _run.Fail(@case, $"{allocated} octets allocated for an input of {octets.Length}; {_run.Target.AllocationLimit(octets.Length)} are the limit", null);
        }
    }

    private FuzzTarget Target => target;

    private int Seed => seed;
}
