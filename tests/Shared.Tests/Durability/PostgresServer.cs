using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Cutpoint.Shared.Tests.Durability;

/// <summary>Debian's PostgreSQL in a temporary directory, on a Unix socket; started once for all tests, with a database for each.</summary>
public class PostgresServer : IAsyncLifetime
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-pg-").FullName;
    private Process? _server;
    private string _programs = "";
    private int _databases;

    /// <summary>A role that has to give a password.</summary>
    public const string Guarded = "guarded";

    public const string Password = "geheim";

    /// <summary>Where the socket is.</summary>
    public string SocketPath => Path.Combine(_directory, $".s.PGSQL.{Port}");

    /// <summary>Kills the server as a crash of its machine would, and starts it again.</summary>
    public async Task CrashAsync()
    {
        Run("kill", "-QUIT", _server!.Id.ToString(CultureInfo.InvariantCulture));
        await _server.WaitForExitAsync();
        _server.Dispose();
        await StartAsync();
    }

    /// <summary>A connection string of an empty database.</summary>
    public async Task<string> CreateDatabaseAsync()
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"test{Interlocked.Increment(ref _databases)}");
        await ExecuteAsync(ConnectionString("postgres"), $"CREATE DATABASE {name}");
        return ConnectionString(name);
    }

    /// <summary>Runs a statement, past every program that uses the database.</summary>
    public static async Task ExecuteAsync(string connectionString, string statement)
    {
        await using var connection = new NpgsqlConnection($"{connectionString};Pooling=false");
        await connection.OpenAsync();
        await using var command = connection.CreateCommand();
        command.CommandText = statement;
        await command.ExecuteNonQueryAsync();
    }

    /// <summary>How a user names a database that <see cref="CreateDatabaseAsync"/> has made.</summary>
    public string Url(string connectionString) =>
        $"postgres://cutpoint@{Uri.EscapeDataString(_directory)}/{new NpgsqlConnectionStringBuilder(connectionString).Database}";

    /// <summary>Everything in a database, as its owner backs it up.</summary>
    public async Task<string> DumpAsync(string connectionString)
    {
        var database = new NpgsqlConnectionStringBuilder(connectionString).Database!;
        using var process = Process.Start(new ProcessStartInfo($"{_programs}/pg_dump", ["-h", _directory, "-p", $"{Port}", "-U", "cutpoint", database]) { RedirectStandardOutput = true })!;
        var dump = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        Assert.Equal(0, process.ExitCode);
        return dump;
    }

    public async Task InitializeAsync()
    {
        _programs = Directory.GetDirectories("/usr/lib/postgresql").OrderBy(path => int.Parse(Path.GetFileName(path), CultureInfo.InvariantCulture)).Last() + "/bin";
        Own(_directory);
        var data = Path.Combine(_directory, "data");
        Run([.. AsUser, $"{_programs}/initdb", "-D", data, "-U", "cutpoint", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]);
        var access = Path.Combine(data, "pg_hba.conf");
        await File.WriteAllTextAsync(access, $"local all {Guarded} scram-sha-256\n{await File.ReadAllTextAsync(access)}");
        await PrepareAsync(data);
        await StartAsync();
        await ExecuteAsync(ConnectionString("postgres"), $"CREATE ROLE {Guarded} LOGIN SUPERUSER PASSWORD '{Password}'");
    }

    public async Task DisposeAsync()
    {
        await StopAsync();
        Directory.Delete(_directory, recursive: true);
    }

    /// <summary>Ends it as an administrator does who does not wait for its sessions to end.</summary>
    public async Task StopAsync()
    {
        NpgsqlConnection.ClearAllPools();
        if (_server is { HasExited: false } server)
        {
            // SIGINT: the fast shutdown, which ends sessions that are open.
            Run("kill", "-INT", server.Id.ToString(CultureInfo.InvariantCulture));
            await server.WaitForExitAsync();
        }
        _server?.Dispose();
        _server = null;
    }

    /// <summary>Starts it, and waits until it can be used.</summary>
    public async Task StartAsync()
    {
        _server = Start([.. AsUser, $"{_programs}/postgres", "-D", Path.Combine(_directory, "data"), "-k", _directory, "-p", $"{Port}", "-c", "fsync=off", .. Options]);
        for (var attempt = 0; ; attempt++)
        {
            try
            {
                await using var connection = new NpgsqlConnection($"{ConnectionString("postgres")};Pooling=false");
                await connection.OpenAsync();
                return;
            }
            catch (NpgsqlException) when (attempt < 1200 && !_server.HasExited)
            {
                // The server says nothing when it is ready that could be waited for.
                await Task.Delay(100);
            }
        }
    }

    /// <summary>Where it listens; its socket is named by it.</summary>
    protected virtual int Port => 5432;

    /// <summary>How it listens; by default on the socket alone.</summary>
    protected virtual IReadOnlyList<string> Options => ["-c", "listen_addresses="];

    /// <summary>Changes the directory of a server before its first start.</summary>
    protected virtual Task PrepareAsync(string data) => Task.CompletedTask;

    /// <summary>Gives a file to the server's user.</summary>
    protected static void Own(string file)
    {
        if (Environment.UserName == "root") Run("chown", "postgres", file);
    }

    /// <summary>PostgreSQL refuses to run as root. setpriv becomes the program it starts, so its process is the server's.</summary>
    private static string[] AsUser =>
        Environment.UserName == "root" ? ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] : [];

    private string ConnectionString(string database) => $"Host={_directory};Port={Port};Username=cutpoint;Database={database};Maximum Pool Size=16";

    private static void Run(params string[] command)
    {
        using var process = Start(command);
        var words = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"{string.Join(' ', command)}: {words}");
    }

    private static Process Start(string[] command)
    {
        var process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = "/",
        })!;
        process.OutputDataReceived += static (_, _) => { };
        process.BeginOutputReadLine();
        return process;
    }
}

/// <summary>The tests that share one server.</summary>
[CollectionDefinition(Name)]
public sealed class PostgresCollection : ICollectionFixture<PostgresServer>
{
    public const string Name = "PostgreSQL";
}
