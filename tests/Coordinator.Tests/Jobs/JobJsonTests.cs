using System.Text.Json;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Coordinator.Tests.Jobs;

public sealed class JobJsonTests
{
    [Fact]
    public void Messages_come_back_from_JSON_as_they_were_sent()
    {
        WorkerCommand[] commands =
        [
            new OpenGuest("j", "a", "qemu:/run/a", new CaptureOptions { Downtime = TimeSpan.FromMilliseconds(50), Strategy = CaptureStrategy.Background }, "lz4"),
            new RunPass("j", "a", 3), new RunPass("j", "a", 4, IsAligning: true), new PrepareCut("j", "a", 1), new MakeCut("j", "a", 1), new ReleaseCut("j", "a", 1), new DrainGuest("j", "a"), new CloseGuest("j", "a", true),
        ];
        foreach (var command in commands)
        {
            var json = JsonSerializer.Serialize(command, JobJson.Default.WorkerCommand);
            Assert.Equal(command, JsonSerializer.Deserialize(json, JobJson.Default.WorkerCommand));
        }
    }

    [Fact]
    public void A_pass_comes_back_with_its_votes_and_their_numbers()
    {
        WorkerReport report = new PassFinished("j", "a", VoteDecision.AnotherPass, new PassReport
        {
            Pass = 2,
            Duration = TimeSpan.FromMilliseconds(1.5),
            Votes = [new Vote(new UnitKey("pc.ram", 0), 2, VoteDecision.AnotherPass, "too much") { Numbers = new Dictionary<string, double> { ["rest_bytes"] = 1e9 } }],
        });
        var back = (PassFinished)JsonSerializer.Deserialize(JsonSerializer.Serialize(report, JobJson.Default.WorkerReport), JobJson.Default.WorkerReport)!;
        Assert.Equal(TimeSpan.FromMilliseconds(1.5), back.Report.Duration);
        Assert.Equal(1e9, Assert.Single(back.Report.Votes).Numbers["rest_bytes"]);
        Assert.Equal(new UnitKey("pc.ram", 0), back.Report.Votes[0].Unit);
    }

    [Fact]
    public void Messages_are_named_by_words_and_foreign_types_are_refused()
    {
        Assert.Contains("\"type\":\"make-cut\"", JsonSerializer.Serialize(new MakeCut("j", "a", 1), JobJson.Default.WorkerCommand), StringComparison.Ordinal);
        Assert.Throws<JsonException>(() => JsonSerializer.Deserialize("""{"type":"System.Object","jobId":"j","guest":"a"}""", JobJson.Default.WorkerCommand));
    }
}
