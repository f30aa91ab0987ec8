using System.Diagnostics;
using Cutpoint.Shared.Tests.Durability;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Nodes;

/// <summary>Catalog, journal and registry in a PostgreSQL that is reached by TLS and password only, in all the ways its own programs take a password.</summary>
public sealed class Database_behind_password_and_certificate(SecuredPostgresServer server) : BadDays.BadDay, IClassFixture<SecuredPostgresServer>, IAsyncLifetime
{
    private string _database = "";

    private string Packs => $"packs={Directory.File("packs")}";

    private string Verified => $"sslmode=verify-full&sslrootcert={server.Authority}";

    public async Task InitializeAsync() => _database = await server.CreateRemoteAsync();

    public Task DisposeAsync() => Task.CompletedTask;

    [Fact]
    public async Task Nodes_and_takes_get_in_by_environment_by_password_file_and_by_location()
    {
        var secret = Directory.File("secret");
        File.WriteAllText(secret, new string('s', 32));
        File.SetUnixFileMode(secret, UnixFileMode.UserRead);
        var repository = $"{_database}?{Packs}&{Verified}";
        Assert.Equal(0, (await RunWithAsync(PostgresServer.Password, "init", "--repository", repository)).ExitCode);
        await using var worker = await NodeProcess.StartWorkerAsync(
            Directory.File("worker"), secret, Cancellation, "--name", "one", "--database", $"{_database}?{Verified}&passfile={server.PasswordFile}");
        await using var coordinator = NodeProcess.StartCoordinator(new CutpointProgram($"{repository}&passfile={server.PasswordFile}", Directory.File("coordinator")), secret);
        await worker.HearAsync("registered as", Cancellation);
        var told = repository.Replace("@", $":{PostgresServer.Password}@", StringComparison.Ordinal);

        var taken = await RunWithAsync(null, "take", "//one/reference:a?ram=8MiB", "--submit", "--repository", told);

        Assert.True(taken.ExitCode == 0, $"{taken.Error}{worker.Notes}{coordinator.Notes}");
        Assert.DoesNotContain(PostgresServer.Password, taken.Output + taken.Error + worker.Notes + coordinator.Notes, StringComparison.Ordinal);
        Assert.Equal(0, (await RunWithAsync(PostgresServer.Password, "verify", "--repository", repository)).ExitCode);
    }

    [Fact]
    public async Task A_wrong_password_a_strange_authority_and_another_hosts_name_are_each_told_in_one_line_at_both_doors()
    {
        Assert.Equal(0, (await RunWithAsync(PostgresServer.Password, "init", "--repository", $"{_database}?{Packs}&{Verified}")).ExitCode);
        await IsRefusedAsync(_database, Verified, null, "asks for a password");
        await IsRefusedAsync(_database, Verified, "falsch", "password authentication failed");
        await IsRefusedAsync(_database.Replace("@", ":falsch@", StringComparison.Ordinal), Verified, null, "password authentication failed");
        await IsRefusedAsync(_database, $"sslmode=verify-full&sslrootcert={server.Stranger}", PostgresServer.Password, "certificate");
        await IsRefusedAsync(_database.Replace("localhost", "127.0.0.1", StringComparison.Ordinal), Verified, PostgresServer.Password, "certificate");
        await IsRefusedAsync(_database, $"sslmode=verify-full&sslrootcert={Directory.File("none.pem")}", PostgresServer.Password, "none.pem");
        await IsRefusedAsync(_database, "sslmode=disable", PostgresServer.Password, "no encryption");
    }

    private async Task IsRefusedAsync(string database, string parameters, string? password, string words)
    {
        var results = await Task.WhenAll(
            RunWithAsync(password, "list", "--repository", $"{database}?{Packs}&{parameters}"),
            RunWithAsync(password, "node", "ls", "--database", $"{database}?{parameters}"),
            // A node, too, does not wait for what will not change by itself.
            RunWithAsync(password, "node", "--roles", "coordinator", "--repository", $"{database}?{Packs}&{parameters}"));
        foreach (var result in results)
        {
            IsOneClearLine(result, 12, words);
            Assert.DoesNotContain("falsch", result.Error, StringComparison.Ordinal);
            Assert.DoesNotContain(PostgresServer.Password, result.Error, StringComparison.Ordinal);
        }
    }

    private async Task<CutpointResult> RunWithAsync(string? password, params string[] arguments)
    {
        var command = Cutpoint.Command(arguments);
        command.Environment["HOME"] = Directory.File("home");
        command.Environment["PGPASSWORD"] = password;
        using var process = Process.Start(command)!;
        return await CutpointProgram.FinishAsync(process, Cancellation);
    }
}
