using Cutpoint.Durability;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Durability;

public sealed class Sqlite_durability : Durability_spec
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-durability-").FullName;

    private string File => Path.Combine(_directory, "journal.db");

    [Fact]
    public async Task The_file_is_for_its_owner_only()
    {
        await OpenAsync();

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, System.IO.File.GetUnixFileMode(File));
    }

    [Fact]
    public async Task A_damaged_file_is_told_in_one_line()
    {
        await System.IO.File.WriteAllBytesAsync(File, [.. Enumerable.Repeat((byte)'x', 8192)]);

        var error = await Assert.ThrowsAsync<SnapshotException>(() => OpenAsync());

        Assert.Equal(ErrorCode.VerificationFailed, error.Code);
        Assert.Contains(File, error.Message, StringComparison.Ordinal);
    }

    protected override async Task<Database> ConnectAsync(TimeProvider time) => await SqliteDatabase.OpenAsync(File, survivesPowerCut: true, time, default);

    /// <summary>The machine's clock is the database's.</summary>
    protected override Task PassAsync(Database database, TimeSpan time)
    {
        ((ManualTime)database.Time).Advance(time);
        return Task.CompletedTask;
    }

    protected override void Delete() => Directory.Delete(_directory, recursive: true);
}
