using System.Security.Cryptography;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

/// <summary>The file of an encrypted catalog, as processes that use it at once and processes that die leave it.</summary>
public sealed class SealedCatalogTests : IDisposable
{
    private readonly TemporaryDirectory _directory = new();
    private readonly DataKey _key = new(Ulid.Create(TimeProvider.System), RandomNumberGenerator.GetBytes(DataKey.Length));

    public SealedCatalogTests()
    {
        using (Open(create: true))
        {
        }
    }

    private string Path => _directory.File("catalog.sealed");

    [Fact]
    public void What_one_process_writes_another_reads_in_turn()
    {
        using var one = Open();
        using var other = Open();
        for (var number = 0; number < 100; number++)
        {
            Add(number % 2 == 0 ? one : other, number);
            Assert.Equal(number + 1, Count(one));
            Assert.Equal(number + 1, Count(other));
        }
        one.Write(() => one.Execute("DELETE FROM pack WHERE length % 2 = 0"), isDurable: true);
        Assert.Equal(50, Count(other));
        Assert.Empty(other.Check());
    }

    [Fact]
    public async Task Writers_side_by_side_lose_nothing()
    {
        await Task.WhenAll(Enumerable.Range(0, 4).Select(writer => Task.Run(() =>
        {
            using var connection = Open();
            for (var number = 0; number < 50; number++) Add(connection, (writer * 1000) + number);
        })));
        using var all = Open();
        Assert.Equal(200, Count(all));
        Assert.Empty(all.Check());
    }

    [Fact]
    public void What_fails_is_not_written()
    {
        using var one = Open();
        using var other = Open();
        Add(one, 1);
        Assert.Throws<InvalidDataException>(() => one.Write<int>(
            () =>
            {
                one.Execute("DELETE FROM pack");
                throw new InvalidDataException();
            },
            isDurable: true));
        // A name is there once.
        Assert.Throws<SnapshotException>(() => Add(other, 1));
        Assert.Equal(1, Count(one));
        Assert.Equal(1, Count(other));
    }

    [Fact]
    public void A_record_that_is_torn_at_any_octet_is_cut_and_those_before_it_stay()
    {
        using (var one = Open()) Add(one, 1);
        var whole = File.ReadAllBytes(Path);
        using (var one = Open()) Add(one, 2);
        var torn = File.ReadAllBytes(Path);
        for (var length = whole.Length; length < torn.Length; length++)
        {
            File.WriteAllBytes(Path, torn[..length]);
            Check();
            // What a power cut leaves where only the length reached the disk.
            File.WriteAllBytes(Path, [.. torn[..length], .. new byte[torn.Length - length]]);
            Check();
        }

        void Check()
        {
            using var open = Open();
            Assert.Equal(1, Count(open));
            Add(open, 3);
            using var again = Open();
            Assert.Equal(2, Count(again));
        }
    }

    [Fact]
    public void Damage_before_the_last_record_is_told_whatever_it_hits()
    {
        using (var one = Open())
        {
            for (var number = 0; number < 3; number++) Add(one, number);
        }
        var octets = File.ReadAllBytes(Path);
        var last = Last(octets);
        var random = new Random(1);
        for (var round = 0; round < 300; round++)
        {
            var damaged = (byte[])octets.Clone();
            damaged[round < 48 ? round : random.Next(last)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(Path, damaged);
            Assert.Equal(ErrorCode.VerificationFailed, Assert.Throws<SnapshotException>(() => Open()).Code);
        }
    }

    [Fact]
    public void Changes_that_grew_longer_than_the_image_become_one_and_others_notice()
    {
        using var one = Open();
        using var other = Open();
        var salts = new HashSet<string>();
        var longest = 0L;
        for (var number = 0; number < 60; number++)
        {
            one.Write(
                () =>
                {
                    for (var row = 0; row < 100; row++) one.Execute("INSERT INTO pack (name, length) VALUES (@0, @1)", $"{number}-{row}-{new string('x', 100)}", 1L);
                    return true;
                },
                isDurable: false);
            Assert.Equal((number + 1) * 100, Count(other));
            var octets = File.ReadAllBytes(Path);
            salts.Add(Convert.ToHexString(octets.AsSpan(16, 16)));
            longest = Math.Max(longest, octets.Length);
        }
        Assert.InRange(salts.Count, 2, 20);
        Assert.InRange(longest, 1 << 18, 6 << 20);
        Assert.Empty(Directory.GetFiles(_directory, "*.new"));
    }

    public void Dispose() => _directory.Dispose();

    /// <summary>Where the last record starts.</summary>
    private static int Last(byte[] octets)
    {
        var last = 32;
        for (var at = 32; at < octets.Length; at += 8 + (int)System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(octets.AsSpan(at))) last = at;
        return last;
    }

    private static void Add(CatalogConnection connection, int number) => connection.Write(
        () => connection.Execute("INSERT INTO pack (name, length) VALUES (@0, @1)", $"pack {number}", (long)number), isDurable: false);

    private static int Count(CatalogConnection connection) => connection.Run(() => (int)(long)connection.Scalar("SELECT COUNT(*) FROM pack")!);

    private SqliteCatalog Open(bool create = false) => SqliteCatalog.Open(Path, _key, create: create);
}
