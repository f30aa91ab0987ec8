using System.Diagnostics;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Tests;

namespace Cutpoint.Shared.Tests.Repository;

public class ListingTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("ram", 4 * Paging.PageSize);

    [Fact]
    public async Task A_checkpoint_is_found_by_id_beginning_name_and_latest()
    {
        var time = new ManualTime();
        await using var repository = await CreateAsync(time);
        using var model = new GuestModel(1, Ram).Fill(50);
        Assert.Equal(ErrorCode.NotFound, (await FailAsync(repository, "latest")).Code);
        var first = await model.TakeAsync(repository.Open, new CheckpointOptions { Name = "nightly" });
        time.Advance(TimeSpan.FromDays(400));
        var second = await model.TakeAsync(repository.Open, new CheckpointOptions { Name = "once" });
        time.Advance(TimeSpan.FromDays(400));
        var third = await model.TakeAsync(repository.Open, new CheckpointOptions { Name = "nightly" });

        Assert.Equal([first.Id, second.Id, third.Id], (await repository.Open.ListAsync(default)).Select(one => one.Id));
        Assert.Equal(third.Id, (await repository.Open.ResolveAsync("latest", default)).Id);
        Assert.Equal(second.Id, (await repository.Open.ResolveAsync("once", default)).Id);
        Assert.Equal(first.Id, (await repository.Open.ResolveAsync(first.Id.ToString(), default)).Id);
        Assert.Equal(first.Id, (await repository.Open.ResolveAsync(first.Id.ToString().ToLowerInvariant()[..20], default)).Id);

        var ambiguous = await FailAsync(repository, "nightly");
        Assert.Equal(ErrorCode.Usage, ambiguous.Code);
        Assert.Contains(first.Id.ToString(), ambiguous.Message, StringComparison.Ordinal);
        Assert.Contains(third.Id.ToString(), ambiguous.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.Usage, (await FailAsync(repository, "0")).Code);
        foreach (var text in (string[])["", "never", "ZZZZ", new string('0', 26)])
            Assert.Equal(ErrorCode.NotFound, (await FailAsync(repository, text)).Code);
    }

    [Fact]
    public void Ids_are_read_as_they_are_written_and_sort_by_time()
    {
        var time = new ManualTime();
        var before = Ulid.Create(time);
        time.Advance(TimeSpan.FromMilliseconds(1));
        var after = Ulid.Create(time);
        Assert.True(before < after);
        Assert.True(string.CompareOrdinal(before.ToString(), after.ToString()) < 0);
        Assert.Equal(time.GetUtcNow().ToUnixTimeMilliseconds(), after.Time.ToUnixTimeMilliseconds());
        Assert.True(Ulid.TryParse(after.ToString(), out var again));
        Assert.Equal(after, again);
        Assert.True(Ulid.TryParse("7ZZZZZZZZZZZZZZZZZZZZZZZZZ", out var last));
        Assert.Equal(UInt128.MaxValue, last.Value);
        foreach (var text in (string[])["8ZZZZZZZZZZZZZZZZZZZZZZZZZ", "", "0", "0000000000000000000000000U"])
            Assert.False(Ulid.TryParse(text, out _));
    }

    [Theory]
    [InlineData("postgres://host/db")]
    [InlineData("postgresql://host/db")]
    [InlineData("s3://bucket")]
    [InlineData("")]
    public void A_location_this_version_does_not_know_is_a_usage_error(string text) =>
        Assert.Equal(ErrorCode.Usage, Assert.Throws<SnapshotException>(() => RepositoryLocation.Parse(text)).Code);

    [Fact]
    public async Task There_is_no_repository_where_none_was_made_and_none_is_made_in_a_full_directory()
    {
        using var directory = new TemporaryDirectory();
        var missing = RepositoryLocation.Parse(directory.File("missing"));
        var error = await Assert.ThrowsAsync<SnapshotException>(
            async () => await DirectoryRepository.OpenAsync(missing, TimeProvider.System, default));
        Assert.Equal(ErrorCode.NotFound, error.Code);
        Assert.Contains("cutpoint init", error.Advice, StringComparison.Ordinal);
        Assert.False(Directory.Exists(missing.Directory));
        await File.WriteAllTextAsync(directory.File("file"), "x");
        var full = await Assert.ThrowsAsync<SnapshotException>(
            async () => await DirectoryRepository.InitAsync(RepositoryLocation.Parse(directory), TimeProvider.System, default));
        Assert.Equal(ErrorCode.Usage, full.Code);
    }

    [Fact]
    public async Task Only_the_owner_can_read_anything()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(2, Ram).Fill(50);
        await model.TakeAsync(repository.Open);
        await using var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default);
        const UnixFileMode Others = UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
            | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;
        var root = repository.Location.Directory;
        var all = Directory.GetFileSystemEntries(root, "*", SearchOption.AllDirectories).Append(root).ToList();
        if (repository.Location.Database is null) Assert.Contains(all, path => path.EndsWith(IsEncrypted ? "catalog.sealed" : "catalog.db-wal", StringComparison.Ordinal));
        Assert.All(all, path => Assert.True((File.GetUnixFileMode(path) & Others) == 0, path));
    }

    [Fact]
    public async Task A_damaged_repository_file_is_found()
    {
        await using var repository = await CreateAsync();
        await repository.CloseAsync();
        var path = Path.Combine(repository.Location.Directory, "repository");
        var octets = await File.ReadAllBytesAsync(path);
        for (var index = 0; index < octets.Length; index++)
        {
            var damaged = (byte[])octets.Clone();
            damaged[index] ^= 1;
            await File.WriteAllBytesAsync(path, damaged);
            var error = await Assert.ThrowsAsync<SnapshotException>(
                async () => await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default));
            Assert.Equal(ErrorCode.VerificationFailed, error.Code);
        }
        await File.WriteAllBytesAsync(path, octets);
        await repository.ReopenAsync();
    }

    [Fact]
    public async Task A_strangers_tool_walks_a_pack()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(3, new RamBlock("ram", 1 << 20)).Fill(90);
        await model.TakeAsync(repository.Open, new CheckpointOptions { Name = "walk" });
        var path = Assert.Single(repository.PackPaths);
        using var openssl = Process.Start(
            new ProcessStartInfo("openssl", ["asn1parse", "-inform", "DER", "-in", path]) { RedirectStandardOutput = true })!;
        var text = await openssl.StandardOutput.ReadToEndAsync();
        await openssl.WaitForExitAsync();
        Assert.Equal(0, openssl.ExitCode);
        var values = text.Split('\n').Where(line => line.Contains("d=0", StringComparison.Ordinal)).Select(
            line => line[(line.LastIndexOf("appl", StringComparison.Ordinal))..].Trim());
        string[] plain = ["appl [ 1 ]", "appl [ 2 ]", "appl [ 2 ]", "appl [ 2 ]", "appl [ 2 ]", "appl [ 3 ]", "appl [ 4 ]", "appl [ 5 ]"];
        // Of an encrypted one it sees no more than how many values there are, and how long each is.
        Assert.Equal(
            IsEncrypted ? ["appl [ 1 ]", .. Enumerable.Repeat("appl [ 7 ]", plain.Length - 1)] : plain,
            values.Select(value => string.Join(' ', value.Split(' ', StringSplitOptions.RemoveEmptyEntries))));
        Assert.Contains("UTF8STRING        :cutpoint pack", text, StringComparison.Ordinal);
        Assert.Equal(!IsEncrypted, text.Contains("walk", StringComparison.Ordinal));
    }

    private static async Task<SnapshotException> FailAsync(TestRepository repository, string text) =>
        await Assert.ThrowsAsync<SnapshotException>(async () => await repository.Open.ResolveAsync(text, default));
}
