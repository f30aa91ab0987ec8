using System.Globalization;
using System.Text;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Shared.Tests.Durability;

namespace Cutpoint.Shared.Tests.Repository;

/// <summary>An encrypted catalog in PostgreSQL, as several processes use it and as a database nobody should trust gives it back.</summary>
[Collection(PostgresCollection.Name)]
public sealed class SealedDatabaseTests(PostgresServer server)
{
    [Fact]
    public async Task Who_reads_directory_and_database_learns_no_name_no_hash_no_content_and_no_equality_of_pages()
    {
        var databases = new[] { await server.CreateDatabaseAsync(), await server.CreateDatabaseAsync() };
        // Guests of one shape: in one all pages are the same, in the other no two are.
        var equal = await EncryptionTests.TakeAsync(equalPages: true, databases[0]);
        var different = await EncryptionTests.TakeAsync(equalPages: false, databases[1]);
        await using var _ = equal.Repository;
        await using var __ = different.Repository;
        foreach (var ((repository, checkpoint, model), database) in new[] { equal, different }.Zip(databases))
        {
            var secrets = await EncryptionTests.SecretsAsync(repository, checkpoint, model);
            var dump = await server.DumpAsync(database);
            Assert.Contains(repository.Open.Id.ToString(), dump, StringComparison.Ordinal);
            Assert.Contains("COPY cutpoint_catalog.sealed", dump, StringComparison.Ordinal);
            foreach (var secret in secrets)
            {
                Assert.DoesNotContain(Encoding.Latin1.GetString(secret), dump, StringComparison.Ordinal);
                Assert.DoesNotContain(Convert.ToHexStringLower(secret), dump, StringComparison.Ordinal);
            }
        }
        // As many rows and files of the same lengths: what is equal to what shows nowhere.
        const string Lengths = "SELECT string_agg(number || ' ' || octet_length(record), ',' ORDER BY number) FROM sealed";
        var rows = (string)(await equal.Repository.QueryAsync(Lengths))!;
        Assert.True(rows.Split(',').Length > 1);
        Assert.Equal(rows, await different.Repository.QueryAsync(Lengths));
        Assert.Equal(EncryptionTests.Structure(equal.Repository), EncryptionTests.Structure(different.Repository));
    }

    [Fact]
    public async Task What_one_process_writes_another_reads_in_turn_also_when_changes_become_an_image()
    {
        await using var repository = await CreateAsync();
        using var one = Open(repository);
        using var other = Open(repository);
        var salts = new HashSet<string>();
        var most = 0L;
        for (var number = 0; number < 20; number++)
        {
            Fill(number % 2 == 0 ? one : other, number, 10, 3000);
            Assert.Equal((number + 1) * 10, Count(one));
            Assert.Equal((number + 1) * 10, Count(other));
            salts.Add((string)(await repository.QueryAsync("SELECT encode(substring(record FROM 1 FOR 16), 'hex') FROM sealed ORDER BY number LIMIT 1"))!);
            most = Math.Max(most, (long)(await repository.QueryAsync("SELECT sum(octet_length(record)) FROM sealed"))!);
        }
        Assert.InRange(salts.Count, 2, 10);
        Assert.InRange(most, 1 << 18, 6 << 20);
        // A change that is longer than a row may be.
        Fill(one, 1000, 100, 60_000);
        Assert.Equal(300, Count(other));
        Fill(other, 1001, 100, 60_000);
        Assert.Equal(400, Count(one));
        Assert.True((long)(await repository.QueryAsync("SELECT count(*) FROM sealed"))! > 1);
        Assert.InRange((int)(await repository.QueryAsync("SELECT max(octet_length(record)) FROM sealed"))!, 4 << 20, (4 << 20) + 64);
        Assert.Empty(one.Check());
    }

    [Fact]
    public async Task Writers_side_by_side_lose_nothing()
    {
        await using var repository = await CreateAsync();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(() =>
        {
            using var connection = Open(repository);
            for (var number = 0; number < 25; number++) Fill(connection, (writer * 1000) + number, 1);
        })));
        using var all = Open(repository);
        Assert.Equal(100, Count(all));
        Assert.Empty(all.Check());
    }

    [Fact]
    public async Task What_fails_before_or_at_the_commit_of_the_database_is_in_memory_no_more()
    {
        await using var repository = await CreateAsync();
        using var one = Open(repository);
        using var other = Open(repository);
        Fill(one, 1, 1);
        Assert.Throws<InvalidDataException>(() => one.Write<int>(
            () =>
            {
                one.Execute("DELETE FROM pack");
                throw new InvalidDataException();
            },
            isDurable: true));
        Assert.Equal(1, Count(one));
        foreach (var isAtCommit in new[] { false, true })
        {
            await repository.ExecuteAsync(
                $"""
                CREATE FUNCTION cutpoint_catalog.fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no more''; END';
                CREATE CONSTRAINT TRIGGER fail AFTER INSERT ON sealed {(isAtCommit ? "DEFERRABLE INITIALLY DEFERRED" : "")} FOR EACH ROW EXECUTE FUNCTION cutpoint_catalog.fail();
                """);
            Assert.Contains("no more", Assert.Throws<SnapshotException>(() => Fill(one, 2, 1)).Message, StringComparison.Ordinal);
            await repository.ExecuteAsync("DROP FUNCTION cutpoint_catalog.fail CASCADE");
            Assert.Equal(1, Count(one));
            Assert.Equal(1, Count(other));
        }
        Fill(other, 2, 1);
        Fill(one, 3, 1);
        Assert.Equal(3, Count(other));
    }

    [Fact]
    public async Task Rows_that_were_changed_moved_exchanged_or_dropped_are_damage_and_repair_heals_it()
    {
        await using var repository = await CreateAsync();
        await using var stranger = await CreateAsync();
        using var model = new GuestModel(1, new RamBlock("ram", 1 << 20)).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        await model.TakeAsync(stranger.Open);
        using var knowing = Open(repository);
        for (var number = 0; number < 3; number++) Fill(knowing, number, 1);
        await repository.ExecuteAsync("CREATE TABLE kept AS SELECT * FROM sealed");
        var last = (long)(await repository.QueryAsync("SELECT max(number) FROM sealed"))!;
        Assert.InRange(last, 5, 100);
        // Two rows that another life of the database has in the place of the last two, as a standby would that took over without them.
        await repository.ExecuteAsync($"DELETE FROM sealed WHERE number > {last - 2}");
        using (var fork = Open(repository))
        {
            Fill(fork, 8, 1);
            Fill(fork, 9, 1);
        }
        await repository.ExecuteAsync("CREATE TABLE forked AS SELECT * FROM sealed; DELETE FROM sealed; INSERT INTO sealed SELECT * FROM kept");
        var foreign = (string)(await stranger.QueryAsync("SELECT encode(record, 'hex') FROM sealed ORDER BY number LIMIT 1"))!;
        List<string> forgeries =
        [
            "DELETE FROM sealed WHERE number = 1",
            "DELETE FROM sealed WHERE number = 3",
            "DELETE FROM sealed WHERE number = 3; UPDATE sealed SET number = -number WHERE number > 3; UPDATE sealed SET number = -number - 1 WHERE number < 0",
            "UPDATE sealed SET number = -number; UPDATE sealed SET number = 1 - number WHERE number < 0",
            "UPDATE sealed SET record = (SELECT k.record FROM kept k WHERE k.number = 7 - sealed.number) WHERE number IN (3, 4)",
            "INSERT INTO sealed SELECT number + 100, record FROM kept",
            $"UPDATE sealed SET record = (SELECT f.record FROM forked f WHERE f.number = {last}) WHERE number = {last}",
            $"UPDATE sealed SET record = decode('{foreign}', 'hex') WHERE number = 1",
            "UPDATE sealed SET record = '' WHERE number = 2",
            "UPDATE sealed SET record = record || convert_to(repeat('x', 5000000), 'UTF8') WHERE number = 1",
            "DELETE FROM sealed",
        ];
        var random = new Random(1);
        forgeries.AddRange(Enumerable.Range(0, 8).Select(_ =>
        {
            var bit = string.Create(CultureInfo.InvariantCulture, $"{random.Next()} % (8 * octet_length(record))");
            return $"UPDATE sealed SET record = set_bit(record, {bit}, 1 - get_bit(record, {bit})) WHERE number = {random.Next(1, (int)last + 1)}";
        }));
        foreach (var forgery in forgeries)
        {
            await repository.ExecuteAsync(forgery);
            var error = Assert.Throws<SnapshotException>(() => Open(repository).Dispose());
            Assert.True(error.Code == ErrorCode.VerificationFailed, $"{forgery}: {error.Message}");
            await repository.ExecuteAsync("DELETE FROM sealed; INSERT INTO sealed SELECT * FROM kept");
        }
        Open(repository).Dispose();

        // The end that is missing is an older state: who has seen it says so, who has not cannot.
        await repository.ExecuteAsync($"DELETE FROM sealed WHERE number = {last}");
        Assert.Contains("gone", Assert.Throws<SnapshotException>(() => Count(knowing)).Message, StringComparison.Ordinal);
        Open(repository).Dispose();

        await repository.ExecuteAsync("DELETE FROM sealed WHERE number = 2");
        knowing.Dispose();
        Assert.Equal(taken.Id, Assert.Single((await repository.RepairAsync()).Checkpoints).Id);
        await repository.AssertHoldsAsync(taken, model);
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task Keys_are_changed_and_the_structure_looked_over_where_the_catalog_is_in_a_database()
    {
        await using var repository = await CreateAsync();
        using var directory = new TemporaryDirectory();
        using var model = new GuestModel(2, new RamBlock("ram", 1 << 20)).Fill(50);
        await model.TakeAsync(repository.Open);
        var dead = await repository.LeaveDeadJobAsync(model);
        var fresh = RepositoryKey.FromNewFile(directory.File("fresh"));
        using (var holder = PostgresCatalog.Open(repository.Location.Database!, repository.Open.Id, isSealed: true, TimeProvider.System))
        {
            holder.TakeKeys();
            Assert.Equal(ErrorCode.Locked, Assert.Throws<SnapshotException>(() => DirectoryRepository.RotateKey(repository.Location, fresh, TimeProvider.System)).Code);
        }
        DirectoryRepository.RotateKey(repository.Location, fresh, TimeProvider.System);
        var refused = await Assert.ThrowsAsync<SnapshotException>(async () => await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default));
        Assert.Equal(ErrorCode.NotAuthorised, refused.Code);
        await using (var open = await DirectoryRepository.OpenAsync(repository.Location with { Key = fresh }, TimeProvider.System, default)) Assert.Single(await open.ListAsync(default));

        var findings = await DirectoryRepository.ExamineStructureAsync(repository.Location with { Key = null }, TimeProvider.System, default);
        Assert.Contains(findings, finding => finding.Message.Contains(dead.ToString(), StringComparison.Ordinal) && finding.Severity == DoctorSeverity.Leftover);
        Assert.DoesNotContain(findings, finding => finding.Message.Contains("others may use", StringComparison.Ordinal));
    }

    private static SqliteCatalog Open(TestRepository repository) => SqliteCatalog.OpenSealed(
        new SealedRows(PostgresCatalog.Open(repository.Location.Database!, repository.Open.Id, isSealed: true, TimeProvider.System), repository.DataKey!));

    private static void Fill(CatalogConnection connection, int number, int rows, int length = 100) => connection.Write(
        () =>
        {
            connection.ExecuteEach(
                "INSERT INTO pack (name, length) VALUES (@0, @1)", Enumerable.Range(0, rows).Select(row => (object?[])[$"{number}-{row}-{new string('x', length)}", 1L]));
            return true;
        },
        isDurable: true);

    private static int Count(CatalogConnection connection) => connection.Run(() => (int)(long)connection.Scalar("SELECT COUNT(*) FROM pack WHERE length = 1")!);

    private async Task<TestRepository> CreateAsync() => await TestRepository.CreateAsync(isEncrypted: true, database: await server.CreateDatabaseAsync());
}
