using System.Buffers.Binary;
using System.Formats.Tar;
using System.IO.Compression;
using System.Security.Cryptography;
using Cutpoint.Compression;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class SectionIdentityTests
{
    /// <summary>Of the main block of the old repository's newer checkpoint, as the program of that time exported it.</summary>
    private const string NewRam = "6c9120d0fef723242f43af5d1b520dbb432f51ae169a625621bdf46a918cc4cf";

    private static readonly RamBlock Ram = new("pc.ram", 70 * Paging.PageSize);

    [Theory]
    [InlineData("zstd:1", 1)]
    [InlineData("lz4", 2)]
    [InlineData("none", 0)]
    public async Task A_section_is_known_by_the_digest_of_what_it_is_and_of_what_is_stored(string codec, int codecNumber)
    {
        await using var repository = await TestRepository.CreateAsync();
        using var model = new GuestModel(1, Ram);
        for (var page = 1; page < 10; page++) model.FillPage(0, page, compressible: true);
        await model.TakeAsync(repository.Open, new CheckpointOptions { Codec = Codec.Parse(codec) });
        var section = SectionOf(await File.ReadAllBytesAsync(repository.PackPaths[0]), SectionKind.Pages);
        Span<byte> what = [0, (byte)codecNumber, 0, 0, 0x90, 0, .. section.Masks];
        Assert.Equal(SHA256.HashData([.. what, .. section.Payload]), section.Identity);
    }

    [Fact]
    public async Task Equal_pages_of_another_guest_are_found_when_they_are_compressed_alike()
    {
        await using var repository = await TestRepository.CreateAsync();
        using var first = new GuestModel(1, Ram) { Name = "first" };
        using var second = new GuestModel(1, Ram) { Name = "second" };
        await first.Fill(80).TakeAsync(repository.Open);
        var again = await second.Fill(80).TakeAsync(repository.Open);
        Assert.Equal(0, StoredPages(await File.ReadAllBytesAsync(repository.PackPaths[^1])));
        await repository.AssertHoldsAsync(again, second);
        await second.TakeAsync(repository.Open, new CheckpointOptions { Codec = Codec.Parse("lz4") });
        Assert.Equal(1, StoredPages(await File.ReadAllBytesAsync(repository.PackPaths[^1])));
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task State_that_somebody_has_exchanged_together_with_every_digest_beside_it_is_found()
    {
        await using var repository = await TestRepository.CreateAsync();
        using var model = new GuestModel(1, Ram);
        await model.TakeAsync(repository.Open, new CheckpointOptions { Codec = Codec.Parse("none") });
        var octets = await File.ReadAllBytesAsync(repository.PackPaths[0]);
        var section = SectionOf(octets, SectionKind.State);
        octets[section.PayloadAt] ^= 1;
        BinaryPrimitives.WriteUInt128BigEndian(octets.AsSpan(section.DigestAt - 16), Xxh3.Hash(octets.AsSpan(section.PayloadAt, section.Payload.Length)));
        SHA256.HashData(octets.AsSpan(section.Start, section.DigestAt - section.Start), octets.AsSpan(section.DigestAt + 2));
        await File.WriteAllBytesAsync(repository.PackPaths[0], octets);
        var finding = Assert.Single((await repository.VerifyAsync()).Findings);
        Assert.Contains("is not what its identity says", finding.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_repository_of_the_first_version_is_read_checked_rebuilt_and_gone_on_with()
    {
        using var directory = new TemporaryDirectory();
        await using (var packed = new GZipStream(
            File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Repository", "vectors", "version-1.tar.gz")), CompressionMode.Decompress))
        {
            await TarFile.ExtractToDirectoryAsync(packed, directory.File(""), overwriteFiles: true);
        }
        var location = RepositoryLocation.Parse(directory.File(""));
        await using (var repository = await DirectoryRepository.OpenAsync(location, TimeProvider.System, default))
        {
            var old = await repository.ListAsync(default);
            Assert.Equal(["new", "old"], old.Select(checkpoint => checkpoint.Name).Order());
            Assert.Equal(11, (await TestRepository.AssertSoundAsync(repository)).SectionsRead);
            await using var reader = await repository.OpenCheckpointAsync(old.Single(checkpoint => checkpoint.Name == "new"), default);
            var guest = reader.Guest(null);
            using var model = new GuestModel(1, [.. guest.Manifest.Blocks]) { Name = "g" };
            for (var block = 0; block < model.Blocks.Length; block++) await guest.ReadAsync(block, 0, model.Memory[block], default);
            Assert.Equal(NewRam, Convert.ToHexStringLower(SHA256.HashData(model.Memory[0])));
            model.FillPage(0, 7);
            var next = await model.TakeAsync(repository, based: guest);
            await TestRepository.AssertSoundAsync(repository);
            await using var again = await repository.OpenCheckpointAsync(next, default);
            await model.AssertEqualAsync(again.Guest(null));
        }
        File.Delete(directory.File("catalog.db"));
        await DirectoryRepository.RepairAsync(location, TimeProvider.System, default);
        await using var rebuilt = await DirectoryRepository.OpenAsync(location, TimeProvider.System, default);
        Assert.Equal(3, (await rebuilt.ListAsync(default)).Count);
        await TestRepository.AssertSoundAsync(rebuilt);
    }

    private static int StoredPages(byte[] pack) => Sections(pack).Count(section => section.Kind == SectionKind.Pages);

    private static StoredSection SectionOf(byte[] pack, SectionKind kind) => Sections(pack).First(section => section.Kind == kind);

    /// <summary>The sections of a pack, by the grammar of docs/formats/repository.md.</summary>
    private static IEnumerable<StoredSection> Sections(byte[] pack)
    {
        for (var at = 0; at < pack.Length;)
        {
            var section = StoredSection.At(pack, at, out var length);
            at += length;
            if (section is not null) yield return section;
        }
    }

    private sealed record StoredSection(int Start, SectionKind Kind, byte[] Identity, byte[] Masks, int DigestAt, int PayloadAt, byte[] Payload)
    {
        public static StoredSection? At(byte[] pack, int start, out int length)
        {
            var values = new BerSpanReader(pack.AsSpan(start), start);
            var tag = values.Peek().Tag;
            length = (int)values.Peek().TotalLength;
            if (tag != BerTag.Application(2)) return null;
            var fields = values.ReadConstructed(tag);
            Assert.Equal(2UL, fields.ReadUnsigned("version"));
            var kind = (SectionKind)fields.ReadUnsigned("kind");
            _ = fields.ReadUnsigned("codec");
            _ = fields.ReadUnsigned("length");
            var identity = fields.ReadOctetString().ToArray();
            var masks = fields.ReadOctetString().ToArray();
            _ = fields.ReadOctetString();
            _ = fields.ReadOctetString();
            var digestAt = (int)fields.Position;
            _ = fields.ReadOctetString();
            var payload = fields.ReadOctetString().ToArray();
            return new StoredSection(start, kind, identity, masks, digestAt, (int)fields.Position - payload.Length, payload);
        }
    }
}
