using Cutpoint.Repository;
using Npgsql;

namespace Cutpoint.Shared.Tests.Repository;

/// <summary>A repository in a directory of its own.</summary>
internal sealed class TestRepository : IAsyncDisposable
{
    private readonly TemporaryDirectory _directory = new();

    private readonly string? _database;

    private TestRepository(bool isEncrypted, string? database)
    {
        _database = database;
        if (!isEncrypted) return;
        RepositoryKey.CreateFile(_directory.File("key"));
        Key = RepositoryKey.FromFile(_directory.File("key"));
    }

    /// <summary>What opens it, when it is encrypted.</summary>
    public RepositoryKey? Key { get; }

    public DirectoryRepository Open { get; private set; } = null!;

    public RepositoryLocation Location => _database is null
        ? RepositoryLocation.Parse(_directory.File("repository")) with { Key = Key } : LocationOf(_database, _directory.File("repository")) with { Key = Key };

    public string Packs => Path.Combine(Location.Directory, "packs");

    public string Catalog => Path.Combine(Location.Directory, Key is null ? "catalog.db" : "catalog.sealed");

    /// <summary>The key everything is encrypted under; null when nothing is.</summary>
    public DataKey? DataKey => RepositoryFile.Read(Location.Directory).Unlock(Location);

    public string[] PackPaths => [.. Directory.GetFiles(Packs).Order()];

    /// <summary>A location in the database of a connection string.</summary>
    public static RepositoryLocation LocationOf(string database, string directory)
    {
        var settings = new NpgsqlConnectionStringBuilder(database);
        return RepositoryLocation.Parse($"postgres://{settings.Username}@{Uri.EscapeDataString(settings.Host!)}/{settings.Database}?packs={directory}");
    }

    public static async Task<TestRepository> CreateAsync(TimeProvider? time = null, bool isEncrypted = false, string? database = null)
    {
        var created = new TestRepository(isEncrypted, database);
        created.Open = await DirectoryRepository.InitAsync(created.Location, time ?? TimeProvider.System, default);
        return created;
    }

    /// <summary>Runs a statement in the database of the catalog, as its administrator could.</summary>
    public async Task ExecuteAsync(string statement)
    {
        await using var connection = new NpgsqlConnection($"{_database};Pooling=false;Search Path=cutpoint_catalog");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = statement;
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>The first value of a query in the database of the catalog.</summary>
    public async Task<object?> QueryAsync(string query)
    {
        await using var connection = new NpgsqlConnection($"{_database};Pooling=false;Search Path=cutpoint_catalog");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = query;
        return await command.ExecuteScalarAsync();
    }

    /// <summary>What a failed disk or a mistaken hand does. The repository is closed.</summary>
    public async Task LoseCatalogAsync()
    {
        foreach (var path in Directory.GetFiles(Location.Directory, "catalog.*")) File.Delete(path);
        if (_database is not null) await ExecuteAsync("DROP SCHEMA cutpoint_catalog CASCADE");
    }

    public async Task CloseAsync() => await Open.DisposeAsync();

    public async Task<DirectoryRepository> ReopenAsync()
    {
        await Open.DisposeAsync();
        return Open = await DirectoryRepository.OpenAsync(Location, TimeProvider.System, default);
    }

    public async Task<RepairReport> RepairAsync()
    {
        await Open.DisposeAsync();
        var report = await DirectoryRepository.RepairAsync(Location, TimeProvider.System, default);
        Open = await DirectoryRepository.OpenAsync(Location, TimeProvider.System, default);
        return report;
    }

    public Task<VerifyReport> VerifyAsync(VerifySample? sample = null) => Open.VerifyAsync(new VerifyOptions { Sample = sample }, null, default);

    public Task AssertSoundAsync() => AssertSoundAsync(Open);

    /// <summary>Fails unless everything in a repository holds.</summary>
    public static async Task<VerifyReport> AssertSoundAsync(DirectoryRepository repository)
    {
        var report = await repository.VerifyAsync(new VerifyOptions(), null, default);
        Assert.Empty(report.Findings.Select(finding => $"{finding.Location}: {finding.Reason}"));
        return report;
    }

    public async Task AssertHoldsAsync(CheckpointInfo checkpoint, GuestModel model)
    {
        await using var reader = await Open.OpenCheckpointAsync(checkpoint, default);
        await model.AssertEqualAsync(reader.Guest(model.Name));
    }

    /// <summary>A job that writes a section and then dies, as far as others can tell: its packs stay, its lock is gone.</summary>
    public async Task<Ulid> LeaveDeadJobAsync(GuestModel model)
    {
        var writer = await Open.BeginAsync(new CheckpointOptions(), default);
        var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
        await model.WriteAllAsync(Open, writer, guest);
        await writer.FlushAsync(default);
        var kept = PackPaths.Where(path => path.Contains(writer.Id.ToString(), StringComparison.Ordinal)).ToDictionary(
            path => path, File.ReadAllBytes);
        var scratch = writer.ScratchDirectory;
        await writer.DisposeAsync();
        foreach (var (path, octets) in kept) await File.WriteAllBytesAsync(path, octets);
        Directory.CreateDirectory(scratch);
        if (_database is null) await File.WriteAllTextAsync(Path.Combine(scratch, "lock"), "");
        else await ExecuteAsync($"INSERT INTO job (id, owner, epoch, expires_at, resumable) VALUES ('{writer.Id}', '', 1, 0, FALSE)");
        return writer.Id;
    }

    public async ValueTask DisposeAsync()
    {
        await Open.DisposeAsync();
        _directory.Dispose();
    }
}
