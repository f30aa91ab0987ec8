using System.Globalization;
using System.Security.Authentication;
using System.Security.Cryptography;
using Npgsql;

namespace Cutpoint.Repository;

/// <summary>What all ways to a PostgreSQL server have in common: how it is connected to, what it is called, and how its refusals are told.</summary>
public static class PostgresServerAccess
{
    /// <summary>The port of a server nobody has named one for.</summary>
    internal const int DefaultPort = 5432;

    /// <summary>The server has ended a session that held up others.</summary>
    private const string IdleInTransaction = "25P03";

    private const string Credentials = "check user and password: PGPASSWORD, ~/.pgpass, or passfile= in the location";

    /// <summary>Connections to a server. What the tables need and no more: the whole of Npgsql would make the program larger and its compilation ahead of time warn.</summary>
    public static NpgsqlDataSource Connect(NpgsqlConnectionStringBuilder settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return new NpgsqlSlimDataSourceBuilder(settings.ConnectionString).EnableTransportSecurity().Build();
    }

    /// <summary>What a person calls a database in a message; without secrets.</summary>
    public static string NameOf(NpgsqlConnectionStringBuilder settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return $"database '{settings.Database}' on {(settings.Host!.StartsWith('/') ? settings.Host : Place(settings.Host, settings.Port))}";
    }

    /// <summary>True for errors of a connection, which another may not have.</summary>
    public static bool IsLost(NpgsqlException error) => error switch
    {
        PostgresException { SqlState: PostgresErrorCodes.AdminShutdown or PostgresErrorCodes.CrashShutdown or PostgresErrorCodes.CannotConnectNow
            or IdleInTransaction } => true,
        PostgresException refused => refused.SqlState.StartsWith("08", StringComparison.Ordinal),
        _ => !IsWithoutPassword(error) && error.InnerException is not (AuthenticationException or FileNotFoundException or DirectoryNotFoundException
            or UnauthorizedAccessException or CryptographicException),
    };

    /// <summary>An error in a user's words.</summary>
    /// <param name="error">What the driver threw.</param>
    /// <param name="name">What the database is called.</param>
    /// <param name="schema">The schema whose tables are used.</param>
    public static SnapshotException Explain(NpgsqlException error, string name, string schema)
    {
        SnapshotException Wrong(ErrorCode code, string message, string advice) => new(code, $"{name} {message}", advice, error) { IsTransient = error.IsTransient || IsLost(error) };
        return error switch
        {
            PostgresException { SqlState: PostgresErrorCodes.DiskFull } => Wrong(ErrorCode.NoSpace, "has no space left", "free space on its server"),
            PostgresException { SqlState: PostgresErrorCodes.InvalidCatalogName } => Wrong(ErrorCode.NotFound, "does not exist", "create it with 'createdb', or name another"),
            PostgresException { SqlState: PostgresErrorCodes.InsufficientPrivilege } refused => Wrong(
                ErrorCode.NotAuthorised, $"refuses: {refused.MessageText}", $"let the user own the database, or the schema {schema} in it"),
            PostgresException { SqlState: PostgresErrorCodes.ReadOnlySqlTransaction } => Wrong(
                ErrorCode.Failed, "takes no writes", "name the primary server, not a standby"),
            PostgresException refused when refused.SqlState.StartsWith("28", StringComparison.Ordinal) =>
                Wrong(ErrorCode.NotAuthorised, $"refuses: {refused.MessageText}", Credentials),
            PostgresException refused => Wrong(ErrorCode.Failed, $"fails: {refused.MessageText} ({refused.SqlState})", "look into the server's log"),
            _ when IsWithoutPassword(error) => Wrong(
                ErrorCode.NotAuthorised, "asks for a password", "give it in PGPASSWORD, ~/.pgpass, or a file named by passfile= in the location"),
            // The driver does not say which of the two it was.
            { InnerException: AuthenticationException } => Wrong(
                ErrorCode.NotAuthorised, "shows a certificate that no trusted authority has signed, or that is for another host",
                "name the authority's certificate with sslrootcert=, and the host as the certificate names it"),
            { InnerException: { } unreadable } when !IsLost(error) => Wrong(
                ErrorCode.NotAuthorised, $"cannot be verified: {unreadable.Message}", "name the authority's certificate, in PEM, with sslrootcert="),
            _ => Wrong(ErrorCode.Failed, $"cannot be reached: {(error.InnerException ?? error).Message}", "check that the server runs, the address, and sslmode"),
        };
    }

    internal static string Place(string host, int port) => host.StartsWith('/') ? Uri.EscapeDataString(host)
        : port == DefaultPort ? Bracketed(host) : string.Create(CultureInfo.InvariantCulture, $"{Bracketed(host)}:{port}");

    private static string Bracketed(string host) => host.Contains(':', StringComparison.Ordinal) ? $"[{host}]" : host;

    /// <summary>The driver has no code for it.</summary>
    private static bool IsWithoutPassword(NpgsqlException error) => error.Message.StartsWith("No password has been provided", StringComparison.Ordinal);
}
