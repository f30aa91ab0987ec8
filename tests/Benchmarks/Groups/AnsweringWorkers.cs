using System.Threading.Channels;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Benchmarks.Groups;

/// <summary>Workers that have no guests: they answer every command at once, and vote for another pass until the fifth.</summary>
internal sealed class AnsweringWorkers : IWorkerPort
{
    private const uint Passes = 5;

    private readonly Channel<WorkerReport> _reports = Channel.CreateUnbounded<WorkerReport>();
    private readonly DateTimeOffset _cut = DateTimeOffset.UnixEpoch;

    public ValueTask SendAsync(WorkerCommand command, CancellationToken cancellation)
    {
        // An aligning pass takes its time, and is overtaken.
        if (command is not RunPass { IsAligning: true }) _reports.Writer.TryWrite(AnswerTo(command));
        return default;
    }

    public ValueTask<WorkerReport> ReceiveAsync(CancellationToken cancellation) => _reports.Reader.ReadAsync(cancellation);

    private WorkerReport AnswerTo(WorkerCommand command) => command switch
    {
        OpenGuest => new GuestOpened(
            command.JobId, command.Guest, CaptureTransport.Direct, CaptureStrategy.Precopy, "", TimeSpan.FromMilliseconds(1), WasRunning: true),
        RunPass pass => new PassFinished(
            command.JobId, command.Guest, pass.Pass < Passes ? VoteDecision.AnotherPass : VoteDecision.Done, ReportOf(pass.Pass)),
        PrepareCut cut => new CutPrepared(command.JobId, command.Guest, cut.Epoch),
        MakeCut cut => new CutHeld(command.JobId, command.Guest, cut.Epoch, _cut),
        ReleaseCut cut => new CutEnded(command.JobId, command.Guest, new CutReport
        {
            Epoch = cut.Epoch, StoppedAt = _cut, ThawedAt = _cut.AddMilliseconds(1), HeldUntilRelease = true, WasRunning = true,
        }),
        DrainGuest => new GuestDrained(command.JobId, command.Guest, ReportOf(UnitRegistration.FinalPass)),
        _ => new GuestClosed(command.JobId, command.Guest),
    };

    private static PassReport ReportOf(uint pass) => new()
    {
        Pass = pass,
        Votes =
        [
            new Vote(new UnitKey("pc.ram", 0), pass, VoteDecision.AnotherPass, "10 ms exceed the budget")
            {
                PredictedPause = TimeSpan.FromMilliseconds(10), Numbers = new Dictionary<string, double> { ["rest_bytes"] = 1e6, ["dirty_pages"] = 250 },
            },
        ],
        PredictedPause = TimeSpan.FromMilliseconds(10),
    };
}
