using System.Security.Cryptography;
using System.Text;
using Cutpoint.Compression;
using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class EncryptionTests
{
    private static readonly RamBlock Ram = new("pc.ram.of.this.guest", 3 * Paging.SectionSize);

    [Fact]
    public async Task Who_has_no_key_learns_no_name_no_hash_no_content_and_no_equality_of_pages()
    {
        // Guests of one shape: in one all pages are the same, in the other no two are.
        var equal = await TakeAsync(equalPages: true);
        var different = await TakeAsync(equalPages: false);
        await using var _ = equal.Repository;
        await using var __ = different.Repository;
        foreach (var (repository, checkpoint, model) in new[] { equal, different })
        {
            var secrets = await SecretsAsync(repository, checkpoint, model);
            var files = Directory.GetFiles(repository.Location.Directory, "*", SearchOption.AllDirectories);
            Assert.True(files.Length > 4);
            foreach (var path in files)
            {
                var octets = await ReadAsync(path);
                Assert.All(secrets, secret => Assert.True(octets.AsSpan().IndexOf(secret) < 0, $"{path} tells {Convert.ToHexString(secret)}"));
                Assert.All(secrets, secret => Assert.DoesNotContain(Encoding.Latin1.GetString(secret), path, StringComparison.Ordinal));
                AssertNothingIsSaidTwice(path, octets);
            }
        }
        // The same files of the same values with the same lengths: what is equal to what shows nowhere.
        Assert.Equal(Structure(equal.Repository), Structure(different.Repository));
    }

    [Fact]
    public async Task A_catalog_is_waited_for_while_somebody_writes_it_and_for_nothing_else()
    {
        var directory = Directory.CreateTempSubdirectory("cutpoint-lock-").FullName;
        try
        {
            using var catalog = new SealedCatalogFile(Path.Combine(directory, SealedCatalogFile.FileName), DataKey.Create(Ulid.Create(TimeProvider.System)));
            var held = catalog.Lock();
            var second = Task.Factory.StartNew(() => catalog.Lock().Dispose(), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
            await Assert.ThrowsAsync<TimeoutException>(() => second.WaitAsync(TimeSpan.FromMilliseconds(50)));
            held.Dispose();
            await second.WaitAsync(TimeSpan.FromMinutes(1));

            // A link to itself can be opened by nobody, ever.
            var file = Path.Combine(directory, "catalog.lock");
            File.Delete(file);
            File.CreateSymbolicLink(file, file);
            var error = Assert.Throws<SnapshotException>(() => catalog.Lock());
            Assert.Equal(ErrorCode.Failed, error.Code);
            Assert.Contains(file, error.Message, StringComparison.Ordinal);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    [Fact]
    public void Every_bit_of_an_encrypted_value_counts_and_so_does_its_place()
    {
        var key = DataKey.Create(Ulid.Create(TimeProvider.System));
        var pack = new PackId(Ulid.Create(TimeProvider.System), 1);
        using var protection = new PackProtection(key);
        using var cipher = protection.Create(pack);
        byte[] head = RandomNumberGenerator.GetBytes(150), body = RandomNumberGenerator.GetBytes(300);
        foreach (var (first, second) in new[] { (head, body), (head, []) })
        {
            var octets = new byte[first.Length + second.Length + SealedValue.MaxOverhead];
            octets = octets[..SealedValue.Write(cipher, 1000, first, second, octets)];
            Assert.Equal([.. first, .. second], Open((byte[])octets.Clone(), pack, 1000));
            for (var bit = 0; bit < octets.Length * 8; bit++)
            {
                var damaged = (byte[])octets.Clone();
                damaged[bit / 8] ^= (byte)(1 << (bit % 8));
                Assert.Throws<MalformedInputException>(() => Open(damaged, pack, 1000));
            }
            Assert.Throws<MalformedInputException>(() => Open((byte[])octets.Clone(), pack, 1001));
            Assert.Throws<MalformedInputException>(() => Open((byte[])octets.Clone(), pack with { Number = 2 }, 1000));
            Assert.Throws<MalformedInputException>(() => Open((byte[])octets.Clone(), pack with { Job = default }, 1000));
        }

        byte[] Open(byte[] octets, PackId of, long offset)
        {
            var parts = SealedValue.Parse(octets, octets.Length, offset);
            using var opened = protection.Open(of, octets.AsSpan(parts.Salt));
            return parts.Open(opened, offset, octets).ToArray();
        }
    }

    [Fact]
    public async Task A_value_that_was_moved_exchanged_or_cut_does_not_open()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        using var model = new GuestModel(2, new RamBlock("ram", 16 * Paging.SectionSize));
        for (var page = 0; page < model.Blocks[0].PageCount; page += 1024) model.FillPage(0, page);
        await model.TakeAsync(repository.Open, new CheckpointOptions { PackSize = 24 << 10 });
        var paths = repository.PackPaths;
        Assert.True(paths.Length > 2);
        var first = await File.ReadAllBytesAsync(paths[0]);
        var second = await File.ReadAllBytesAsync(paths[1]);
        var values = Values(first);
        // Sections of equal length change places within a pack, and between packs at one offset; a whole pack takes the name of another; a value is cut out.
        Assert.Equal(values[1].Length, values[2].Length);
        var moved = (byte[])first.Clone();
        first.AsSpan(values[1].Start, values[1].Length).CopyTo(moved.AsSpan(values[2].Start));
        first.AsSpan(values[2].Start, values[2].Length).CopyTo(moved.AsSpan(values[1].Start));
        var exchanged = (byte[])first.Clone();
        second.AsSpan(values[1].Start, values[1].Length).CopyTo(exchanged.AsSpan(values[1].Start));
        byte[] cut = [.. first[..values[1].Start], .. first[values[2].Start..]];
        foreach (var forged in new[] { moved, exchanged, second, cut, first[..values[^1].Start] })
        {
            await File.WriteAllBytesAsync(paths[0], forged);
            var report = await repository.VerifyAsync();
            Assert.False(report.IsSound);
            Assert.Contains(report.Findings, finding => finding.Affected.Count > 0 || forged.Length < first.Length);
        }
        await File.WriteAllBytesAsync(paths[0], first);
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task A_pack_or_a_catalog_of_another_repository_is_not_taken_for_ones_own()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        await using var other = await TestRepository.CreateAsync(isEncrypted: true);
        await using var open = await TestRepository.CreateAsync();
        using var model = new GuestModel(3, new RamBlock("ram", 1 << 20)).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        await model.TakeAsync(other.Open);
        await model.TakeAsync(open.Open);
        var path = Assert.Single(repository.PackPaths);
        var own = await File.ReadAllBytesAsync(path);
        var name = new PackId(taken.Id, 1);
        // The header is in the clear, so anybody can write one that fits.
        foreach (var (stranger, isSealed) in new[] { (other, true), (open, true), (open, false) })
        {
            var octets = await File.ReadAllBytesAsync(Assert.Single(stranger.PackPaths));
            byte[] forged = [.. new PackHeader(repository.Open.Id, name, isSealed).Write(), .. octets[Values(octets)[0].Length..]];
            await File.WriteAllBytesAsync(path, forged);
            Assert.False((await repository.VerifyAsync()).IsSound);
            await Assert.ThrowsAsync<SnapshotException>(async () => await repository.Open.OpenCheckpointAsync(taken, default));
            Assert.Empty((await repository.RepairAsync()).Checkpoints);
            await File.WriteAllBytesAsync(path, own);
            Assert.Single((await repository.RepairAsync()).Checkpoints);
        }
        await repository.CloseAsync();
        File.Copy(other.Catalog, repository.Catalog, overwrite: true);
        Assert.Equal(ErrorCode.VerificationFailed, (await Assert.ThrowsAsync<SnapshotException>(repository.ReopenAsync)).Code);
        await repository.RepairAsync();
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task No_two_values_are_ever_encrypted_under_one_key_at_one_place()
    {
        // A job is killed after any of its values and goes on, in the repository and in copies of it: whatever was written is kept, as somebody who watches the disk would.
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        var seen = new Dictionary<string, string>();
        var random = new Random(5);
        using var model = new GuestModel(4, new RamBlock("ram", 8 * Paging.SectionSize));
        var options = new CheckpointOptions { IsResumable = true, PackSize = 64 << 10, Codec = Codec.Parse("none") };
        Ulid job;
        await using (var writer = await repository.Open.BeginAsync(options, default))
        {
            job = writer.Id;
            await WriteSomeAsync(writer, random.Next(20, 40));
            await writer.LeaveAsync();
        }
        for (var round = 0; round < 12; round++)
        {
            Watch();
            var last = repository.PackPaths[^1];
            var octets = await File.ReadAllBytesAsync(last);
            // A power cut tears the end off, at any octet.
            if (round % 3 != 2) await File.WriteAllBytesAsync(last, octets[..random.Next(octets.Length / 2, octets.Length)]);
            var before = repository.PackPaths.ToDictionary(path => path, File.ReadAllBytes);
            for (var copy = 0; copy < 2; copy++)
            {
                foreach (var path in repository.PackPaths) File.Delete(path);
                foreach (var (path, kept) in before) await File.WriteAllBytesAsync(path, kept);
                await using var writer = await repository.Open.ResumeAsync(job, options, default);
                await WriteSomeAsync(writer, random.Next(1, 20));
                await writer.LeaveAsync();
                Watch();
            }
        }
        CheckpointInfo taken;
        await using (var writer = await repository.Open.ResumeAsync(job, options, default))
        {
            await WriteSomeAsync(writer, 1);
            taken = await writer.CommitAsync(default);
        }
        await model.TakeAsync(repository.Open);
        await repository.Open.ForgetAsync(taken.Id, default);
        await repository.Open.CollectGarbageAsync(new GcOptions { CompactBelow = 1 }, default);
        Watch();
        await repository.AssertSoundAsync();
        Assert.True(seen.Count > 200);

        void Watch()
        {
            foreach (var path in repository.PackPaths)
            {
                var octets = File.ReadAllBytes(path);
                for (var at = 0; BerHeader.TryRead(octets.AsSpan(at), out var header) && header.TotalLength <= octets.Length - at; at += (int)header.TotalLength)
                {
                    if (header.Tag != PackFormat.SealedTag) continue;
                    var value = octets.AsSpan(at, (int)header.TotalLength);
                    var place = $"{Path.GetFileName(path)} {Convert.ToHexString(value.Slice(header.HeaderLength + 2, PackCipher.SaltLength))} {at}";
                    var digest = Convert.ToHexString(SHA256.HashData(value));
                    if (!seen.TryAdd(place, digest)) Assert.Equal(seen[place], digest);
                }
            }
        }

        async Task WriteSomeAsync(CheckpointWriter writer, int pages)
        {
            var guest = await writer.AddGuestAsync(model.Name, model.Blocks, default);
            guest.Description = model.Description;
            for (var page = 0; page < pages; page++)
            {
                var extent = random.Next(model.Blocks[0].ExtentCount);
                model.FillPage(0, extent * Paging.PagesPerExtent);
                await writer.AppendAsync(guest, writer.Encode(model.Chunk(repository.Open, 0, (extent, 1UL))), default);
            }
        }
    }

    internal static async Task<List<byte[]>> SecretsAsync(TestRepository repository, CheckpointInfo checkpoint, GuestModel model)
    {
        await using var reader = await repository.Open.OpenCheckpointAsync(checkpoint, default);
        var secrets = new List<byte[]>
        {
            "a-telling-name"u8.ToArray(), "a-telling-label"u8.ToArray(), "a-telling-guest"u8.ToArray(), "pc.ram.of.this.guest"u8.ToArray(), "model:"u8.ToArray(),
            checkpoint.Root.ToArray(), checkpoint.Guests[0].Root.ToArray(), SHA256.HashData(model.Memory[0].AsSpan(0, Paging.PageSize)),
        };
        secrets.AddRange(reader.Guest(null).Manifest.Sections.Select(section => section.ToArray()));
        await reader.Guest(null).ReadHashesAsync(
            (_, _, hashes) =>
            {
                var octets = new byte[16];
                System.Buffers.Binary.BinaryPrimitives.WriteUInt128BigEndian(octets, hashes[0]);
                secrets.Add(octets);
            },
            default);
        secrets.AddRange(secrets.ToList().Select(secret => Encoding.ASCII.GetBytes(Convert.ToHexStringLower(secret))));
        for (var page = 0; page < 64; page++) secrets.Add(model.Memory[0].AsSpan((page * Paging.PageSize) + 8, 24).ToArray());
        Assert.True(secrets.Count > 80);
        return secrets;
    }

    /// <summary>No 16 octets behind each other come twice in what is encrypted: equal pages would.</summary>
    private static void AssertNothingIsSaidTwice(string path, byte[] octets)
    {
        if (!path.EndsWith(".pack", StringComparison.Ordinal)) return;
        var seen = new HashSet<UInt128>();
        foreach (var (start, length) in Values(octets).Skip(1))
        {
            // Salt, headers and own length are in the clear.
            for (var at = start + 64; at + 26 <= start + length; at += 16)
                Assert.True(seen.Add(System.Buffers.Binary.BinaryPrimitives.ReadUInt128BigEndian(octets.AsSpan(at))), $"{path}, offset {at}");
        }
    }

    private static async Task<byte[]> ReadAsync(string path)
    {
        // Locks are held by the repository while it is open.
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        var octets = new byte[file.Length];
        await file.ReadExactlyAsync(octets);
        return octets;
    }

    private static List<(int Start, int Length)> Values(byte[] octets)
    {
        var values = new List<(int, int)>();
        for (var at = 0; at < octets.Length;)
        {
            Assert.True(BerHeader.TryRead(octets.AsSpan(at), out var header));
            values.Add((at, (int)header.TotalLength));
            at += (int)header.TotalLength;
        }
        return values;
    }

    internal static List<string> Structure(TestRepository repository) =>
    [
        .. Directory.GetFiles(repository.Location.Directory, "*", SearchOption.AllDirectories).Order().Select(path =>
        {
            var name = Path.GetRelativePath(repository.Location.Directory, path);
            if (!name.EndsWith(".pack", StringComparison.Ordinal)) return $"{name} {new FileInfo(path).Length}";
            return $"packs/{name[^13..]} {string.Join(' ', Values(File.ReadAllBytes(path)).Select(value => value.Length))}";
        }),
    ];

    internal static async Task<(TestRepository Repository, CheckpointInfo Checkpoint, GuestModel Model)> TakeAsync(bool equalPages, string? database = null)
    {
        var repository = await TestRepository.CreateAsync(isEncrypted: true, database: database);
        var model = new GuestModel(1, Ram) { Name = "a-telling-guest" };
        for (var page = 0; page < Ram.PageCount; page++)
        {
            model.FillPage(0, page);
            // One page in each section is told from those of the others: a section that is there already is not stored again, which the size does tell.
            if (equalPages && page % (Paging.SectionSize / Paging.PageSize) != 0)
                model.Memory[0].AsSpan(Paging.PageSize, Paging.PageSize).CopyTo(model.Memory[0].AsSpan(page * Paging.PageSize));
        }
        var checkpoint = await model.TakeAsync(
            repository.Open, new CheckpointOptions
            {
                Name = "a-telling-name", Labels = new Dictionary<string, string> { ["a-telling-label"] = "x" }, Codec = Codec.Parse("none"),
            });
        return (repository, checkpoint, model);
    }
}
