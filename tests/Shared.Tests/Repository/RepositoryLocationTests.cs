using Cutpoint.Repository;
using Npgsql;

namespace Cutpoint.Shared.Tests.Repository;

public class RepositoryLocationTests
{
    [Fact]
    public void A_location_in_PostgreSQL_has_a_directory_and_a_database()
    {
        var location = RepositoryLocation.Parse("postgresql://ann@db.example:6000/check%20points?packs=/srv/packs/&sslmode=verify-full");
        Assert.Equal("/srv/packs/", location.Directory);
        var settings = new NpgsqlConnectionStringBuilder(location.Database!.ConnectionString);
        Assert.Equal(("db.example", 6000, "ann", "check points", SslMode.VerifyFull), (settings.Host, settings.Port, settings.Username, settings.Database, settings.SslMode));
        Assert.Null(settings.Password);
        Assert.Equal("database 'check points' on db.example:6000", location.Database.Name);
    }

    [Theory]
    [InlineData("postgres://%2Frun%2Fpostgresql/db?packs=/p", "/run/postgresql")]
    [InlineData("postgres:///db?host=/run/postgresql&packs=/p", "/run/postgresql")]
    [InlineData("postgres://[::1]:5433/db?packs=/p", "::1")]
    [InlineData("postgres://db/db?packs=/p", "db")]
    public void The_host_is_a_name_an_address_or_the_directory_of_a_socket(string text, string host)
    {
        var location = RepositoryLocation.Parse(text);
        Assert.Equal(host, new NpgsqlConnectionStringBuilder(location.Database!.ConnectionString).Host);
        Assert.Equal(host, new NpgsqlConnectionStringBuilder(RepositoryLocation.Parse(location.ToString()).Database!.ConnectionString).Host);
    }

    [Fact]
    public void A_password_connects_and_is_never_shown()
    {
        var location = RepositoryLocation.Parse("postgres://ann:geheim%40@db/points?packs=/p");
        Assert.Equal("geheim@", new NpgsqlConnectionStringBuilder(location.Database!.ConnectionString).Password);
        Assert.Equal("postgres://ann@db/points?packs=/p", location.ToString());
        Assert.DoesNotContain("geheim", location.Database.Name, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("postgres://ann:geheim@db/points")]
    [InlineData("postgres://ann:geheim@db/?packs=/p")]
    [InlineData("postgres://ann:geheim@db?packs=/p")]
    [InlineData("postgres://ann:geheim@/points?packs=/p")]
    [InlineData("postgres://ann:geheim@db:port/points?packs=/p")]
    [InlineData("postgres://ann:x/geheim@db/points?packs=/p")]
    [InlineData("postgres://ann:x/geheim@db?packs=/p")]
    [InlineData("postgres://ann:x?geheim@db/points?packs=/p")]
    [InlineData("postgres://ann:geheim@db/points?packs=/p&password=geheim")]
    [InlineData("postgres://ann:geheim@db/points?packs=/p&sslmode=geheim")]
    public void A_location_that_is_none_is_refused_without_its_password(string text)
    {
        var error = Assert.Throws<SnapshotException>(() => RepositoryLocation.Parse(text));
        Assert.Equal(ErrorCode.Usage, error.Code);
        Assert.DoesNotContain("geheim", error.Message, StringComparison.Ordinal);
        Assert.Contains("packs=DIR", error.Advice, StringComparison.Ordinal);
    }
}
