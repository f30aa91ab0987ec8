using System.Globalization;
using Npgsql;

namespace Cutpoint.Repository;

/// <summary>The PostgreSQL database that has the catalog of a repository. One database belongs to one repository.</summary>
public sealed class RepositoryDatabase
{
    private const int MaxPort = 65535;
    private const string Form = "postgres://[USER@]HOST[:PORT]/DATABASE?packs=DIR[&sslmode=MODE]";

    private static readonly string[] Schemes = ["postgres://", "postgresql://"];

    private readonly string _user;
    private readonly string _parameters;

    private RepositoryDatabase(NpgsqlConnectionStringBuilder settings, string user, string packs, string parameters)
    {
        ConnectionString = settings.ConnectionString;
        Name = PostgresServerAccess.NameOf(settings);
        Packs = packs;
        _user = user;
        _parameters = parameters;
        Address = $"{PostgresServerAccess.Place(settings.Host!, settings.Port)}/{settings.Database}";
    }

    /// <summary>Host, database, user and the like, as Npgsql takes them. Holds the password when the location did: it is for connecting, not for showing.</summary>
    public string ConnectionString { get; }

    /// <summary>What a person calls the database in a message; without secrets.</summary>
    public string Name { get; }

    /// <summary>Absolute path of the directory that has everything but the catalog.</summary>
    internal string Packs { get; }

    private string Address { get; }

    /// <summary>The location, without secrets.</summary>
    public override string ToString() => $"{Schemes[0]}{_user}{Address}?packs={Packs}{_parameters}";

    /// <summary>True for a text that means a database, well-formed or not.</summary>
    internal static bool IsMeantBy(string text) => Schemes.Any(scheme => text.StartsWith(scheme, StringComparison.Ordinal));

    /// <summary>Reads a location. The host may be a directory that has the server's socket, percent-encoded or as <c>host=DIR</c>.</summary>
    /// <exception cref="SnapshotException">It is none (<see cref="ErrorCode.Usage"/>).</exception>
    internal static RepositoryDatabase Parse(string text)
    {
        var rest = text[(text.IndexOf("://", StringComparison.Ordinal) + 3)..];
        var settings = new NpgsqlConnectionStringBuilder { Port = PostgresServerAccess.DefaultPort };
        var query = rest.IndexOf('?', StringComparison.Ordinal);
        string? packs = null;
        var parameters = "";
        // No message repeats the text: it may hold a password.
        foreach (var pair in query < 0 ? [] : rest[(query + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var (name, value) = equals < 0 ? (pair, "") : (pair[..equals], Decode(pair[(equals + 1)..]));
            if (name == "packs") packs = value;
            else Set(settings, name, value, ref parameters);
        }
        if (query >= 0) rest = rest[..query];
        var slash = rest.IndexOf('/', StringComparison.Ordinal);
        settings.Database = slash < 0 ? "" : Decode(rest[(slash + 1)..]);
        if (settings.Database.Length == 0 || settings.Database.Contains('/', StringComparison.Ordinal)) throw Wrong("the location names no database");
        rest = rest[..slash];
        var user = ReadUser(settings, ref rest);
        ReadHost(settings, rest);
        if (string.IsNullOrEmpty(packs)) throw Wrong("the location names no directory for the packs");
        if (packs.Contains('\0', StringComparison.Ordinal)) throw Wrong("the directory of the packs holds a zero character");
        return new RepositoryDatabase(settings, user, Path.GetFullPath(packs), parameters);
    }

    private static string ReadUser(NpgsqlConnectionStringBuilder settings, ref string rest)
    {
        var at = rest.LastIndexOf('@');
        if (at < 0) return "";
        var user = rest[..at];
        rest = rest[(at + 1)..];
        var colon = user.IndexOf(':', StringComparison.Ordinal);
        if (colon >= 0)
        {
            settings.Password = Decode(user[(colon + 1)..]);
            user = user[..colon];
        }
        settings.Username = Decode(user);
        return $"{user}@";
    }

    private static void ReadHost(NpgsqlConnectionStringBuilder settings, string host)
    {
        var colon = host.LastIndexOf(':');
        if (colon > host.LastIndexOf(']'))
        {
            if (!int.TryParse(host.AsSpan(colon + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var port) || port is < 1 or > MaxPort)
                throw Wrong("the port is none; in user and password '/', '?' and '@' are written as %2F, %3F and %40");
            settings.Port = port;
            host = host[..colon];
        }
        if (host is ['[', .., ']']) host = host[1..^1];
        if (host.Length > 0) settings.Host = Decode(host);
        else if (string.IsNullOrEmpty(settings.Host)) throw Wrong("the location names no host");
    }

    private static void Set(NpgsqlConnectionStringBuilder settings, string name, string value, ref string parameters)
    {
        switch (name)
        {
            case "host":
                settings.Host = value;
                return;
            case "sslmode":
                settings.SslMode = value switch
                {
                    "disable" => SslMode.Disable,
                    "allow" => SslMode.Allow,
                    "prefer" => SslMode.Prefer,
                    "require" => SslMode.Require,
                    "verify-ca" => SslMode.VerifyCA,
                    "verify-full" => SslMode.VerifyFull,
                    _ => throw Wrong("sslmode is disable, allow, prefer, require, verify-ca or verify-full"),
                };
                break;
            case "sslrootcert":
                settings.RootCertificate = value;
                break;
            case "passfile":
                settings.Passfile = value;
                break;
            default:
                throw Wrong("a parameter is unknown; known are packs, host, sslmode, sslrootcert and passfile");
        }
        parameters += $"&{name}={value}";
    }

    private static string Decode(string text) => Uri.UnescapeDataString(text);

    private static SnapshotException Wrong(string message) => new(ErrorCode.Usage, message, $"give {Form}") { IsPreflight = true };
}
