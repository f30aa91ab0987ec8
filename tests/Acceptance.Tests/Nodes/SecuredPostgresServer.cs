using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Cutpoint.Shared.Tests.Durability;
using Npgsql;

namespace Cutpoint.Acceptance.Tests.Nodes;

/// <summary>A PostgreSQL as administrators run it: over the network by TLS and password only. Its certificate is for <c>localhost</c>, signed by an authority made for it.</summary>
public sealed class SecuredPostgresServer : PostgresServer, IDisposable
{
    private readonly TemporaryDirectory _directory = new();

    /// <summary>The certificate of the authority that signed the server's.</summary>
    public string Authority => _directory.File("ca.pem");

    /// <summary>That of another authority.</summary>
    public string Stranger => _directory.File("stranger.pem");

    /// <summary>A password file for every database of the server.</summary>
    public string PasswordFile => _directory.File("passfile");

    /// <summary>How a user names a new database of the server, reached by the network: scheme, user, host and port, name.</summary>
    public async Task<string> CreateRemoteAsync()
    {
        var name = new NpgsqlConnectionStringBuilder(await CreateDatabaseAsync()).Database;
        return string.Create(CultureInfo.InvariantCulture, $"postgres://{Guarded}@localhost:{Port}/{name}");
    }

    public void Dispose() => _directory.Dispose();

    protected override int Port { get; } = FreePort();

    protected override IReadOnlyList<string> Options => ["-c", "listen_addresses=127.0.0.1", "-c", "ssl=on"];

    protected override async Task PrepareAsync(string data)
    {
        await File.WriteAllTextAsync(Path.Combine(data, "pg_hba.conf"), "local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n");
        await File.WriteAllTextAsync(PasswordFile, $"localhost:*:*:{Guarded}:{Password}\n");
        File.SetUnixFileMode(PasswordFile, UnixFileMode.UserRead);
        using var authority = CreateAuthority("CN=test authority");
        using var stranger = CreateAuthority("CN=another authority");
        await File.WriteAllTextAsync(Authority, authority.ExportCertificatePem());
        await File.WriteAllTextAsync(Stranger, stranger.ExportCertificatePem());
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.Create(authority, authority.NotBefore, authority.NotAfter, [1]);
        await WriteAsync(Path.Combine(data, "server.crt"), certificate.ExportCertificatePem());
        await WriteAsync(Path.Combine(data, "server.key"), key.ExportPkcs8PrivateKeyPem());
    }

    private static async Task WriteAsync(string file, string pem)
    {
        await File.WriteAllTextAsync(file, pem);
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        Own(file);
    }

    private static X509Certificate2 CreateAuthority(string name)
    {
        var request = new CertificateRequest(name, ECDsa.Create(ECCurve.NamedCurves.nistP256), HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
    }

    /// <summary>Below the ports connections are made from, so that none of them takes it before the server has it.</summary>
    private static int FreePort()
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(15000, 30000));
            try
            {
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException)
            {
                // Somebody has it.
            }
        }
    }
}
