using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Jobs;

namespace Cutpoint.Coordinator.Tests.Jobs;

public sealed class JobJournalTests : IDisposable
{
    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("cutpoint-test-");

    public void Dispose() => _directory.Delete(recursive: true);

    [Theory]
    [InlineData("guest-looked-at", """{"type":"guest-looked-at"}""", ErrorCode.VerificationFailed)]
    [InlineData("guest-looked-at", """{"type":"guest-looked-at","answer":null}""", ErrorCode.VerificationFailed)]
    [InlineData("pass-started", """{"type":"pass-sta""", ErrorCode.VerificationFailed)]
    [InlineData("pass-started", "null", ErrorCode.VerificationFailed)]
    [InlineData("guest-foreseen", """{"type":"guest-foreseen"}""", ErrorCode.Incompatible)]
    public async Task An_event_that_cannot_be_read_is_told_as_damaged_or_newer_and_the_job_can_be_ended_all_the_same(string manifest, string payload, ErrorCode expected)
    {
        await using var database = await SqliteDatabase.OpenAsync(Path.Combine(_directory.FullName, "journal.db"), survivesPowerCut: false, TimeProvider.System, default);
        await JobJournal.SubmitAsync(database, new JobPlan { JobId = "j", Guests = [new GuestPlan("a", "reference:a")] }, default);
        await new EventJournal(database).AppendAsync("job/j", 1, [new JournalRecord(manifest, payload)], new Writer(7), default);

        var error = await Assert.ThrowsAsync<SnapshotException>(() => JobJournal.LoadAsync(database, "j", default));

        Assert.Equal(expected, error.Code);
        Assert.Contains("event 2", error.Message, StringComparison.Ordinal);
        Assert.NotNull(error.Advice);
        await JobJournal.CloseAsync(database, "j", new JobError(ErrorCode.Cancelled, "cancelled"), default);
        Assert.Equal([new JobAborted()], (await JobJournal.ReadAsync(database, "j", 3, default)).Select(one => one.Event));
    }
}
