namespace Cutpoint.Shared.Tests.Repository;

/// <summary>Tests of what holds for every repository; classes derived from one of these run them once more with encrypted ones, and with catalogs in PostgreSQL.</summary>
public abstract class RepositorySuite
{
    /// <summary>True when the repositories of the tests are encrypted.</summary>
    protected virtual bool IsEncrypted => false;

    /// <summary>The server that has the catalogs; null when they are files.</summary>
    protected virtual Durability.PostgresServer? Server => null;

    private protected async Task<TestRepository> CreateAsync(TimeProvider? time = null) =>
        await TestRepository.CreateAsync(time, IsEncrypted, Server is { } server ? await server.CreateDatabaseAsync() : null);
}
