using System.Reflection;
using System.Text.Json;
using System.Text.Json.Serialization;
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

    [Fact]
    public void An_event_has_one_name_in_a_journal_and_in_what_is_printed() =>
        Assert.All(
            typeof(JobEvent).GetCustomAttributes<JsonDerivedTypeAttribute>(),
            kind => Assert.Equal(kind.TypeDiscriminator, JsonNamingPolicy.KebabCaseLower.ConvertName(kind.DerivedType.Name)));

    [Theory]
    [InlineData("""{"pass":3}""")]
    [InlineData("""{"type":"pass-started","pass":3}""")]
    public async Task An_event_is_read_by_its_name_in_the_journal_also_when_its_text_repeats_it(string payload)
    {
        await using var database = await SqliteDatabase.OpenAsync(Path.Combine(_directory.FullName, "journal.db"), survivesPowerCut: false, TimeProvider.System, default);
        await new EventJournal(database).AppendAsync("job/j", 0, [new JournalRecord("pass-started", payload)], new Writer(1), default);

        Assert.Equal([new PassStarted(3)], (await JobJournal.ReadAsync(database, "j", 0, default)).Select(one => one.Event));
    }
}
