using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class DamageTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", 70 * Paging.PageSize);

    [Fact]
    public async Task Every_single_bit_flip_in_a_small_checkpoint_is_found()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(1, Ram);
        // One page, nearly empty, keeps the pack small enough to try every bit of it.
        model.Memory[0].AsSpan(Paging.PageSize + 100, 20).Fill(7);
        await model.TakeAsync(repository.Open, new CheckpointOptions { Name = "n" });
        var path = Assert.Single(repository.PackPaths);
        var octets = await File.ReadAllBytesAsync(path);
        await using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        var starts = Starts(octets);
        for (var index = 0; index < octets.Length; index++)
        {
            for (var bit = 0; bit < 8; bit++)
            {
                // One tag guards every bit of what is encrypted alike: one in a hundred of them is tried here. The lengths around it are tried one by one.
                if (IsEncrypted && ((index * 8) + bit) % 101 != 0 && !starts.Exists(start => index >= start - 10 && index < start + 6)) continue;
                file.Position = index;
                file.WriteByte((byte)(octets[index] ^ (1 << bit)));
                var report = await repository.VerifyAsync();
                Assert.False(report.IsSound, $"bit {bit} of octet {index} of {octets.Length}");
            }
            file.Position = index;
            file.WriteByte(octets[index]);
        }
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task A_flip_in_a_stored_page_is_found_whatever_the_codec_makes_of_it()
    {
        foreach (var codec in (string[])["zstd", "lz4", "none"])
        {
            await using var repository = await CreateAsync();
            using var model = new GuestModel(2, Ram).Fill(80);
            await model.TakeAsync(repository.Open, new CheckpointOptions { Codec = Codec.Parse(codec) });
            var path = Assert.Single(repository.PackPaths);
            var octets = await File.ReadAllBytesAsync(path);
            var random = new Random(3);
            for (var round = 0; round < 200; round++)
            {
                var damaged = (byte[])octets.Clone();
                damaged[random.Next(damaged.Length)] ^= (byte)(1 << random.Next(8));
                await File.WriteAllBytesAsync(path, damaged);
                Assert.False((await repository.VerifyAsync()).IsSound);
            }
        }
    }

    [Fact]
    public async Task A_sample_reads_its_share_finds_a_damaged_section_in_time_and_all_other_damage_at_once()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(11, new RamBlock("pc.ram", 40 * Paging.SectionSize));
        for (var page = 0; page < model.Blocks[0].PageCount; page += 8) model.FillPage(0, page);
        await model.TakeAsync(repository.Open);
        var whole = await repository.VerifyAsync();
        var tenth = await repository.VerifyAsync(new VerifySample(0.1, new Random(1)));
        Assert.True(tenth.IsSound);
        Assert.Equal((whole.Sections, whole.SectionsRead), (tenth.Sections, whole.Sections));
        Assert.InRange(tenth.SectionsRead, 4, 6);
        Assert.InRange(tenth.Bytes, whole.Bytes / 20, whole.Bytes / 5);

        var path = Assert.Single(repository.PackPaths);
        var octets = await File.ReadAllBytesAsync(path);
        await FlipAsync(path, octets, octets.Length / 2);
        var random = new Random(2);
        var found = new List<bool>();
        for (var day = 0; day < 60; day++) found.Add(!(await repository.VerifyAsync(new VerifySample(0.1, random))).IsSound);
        Assert.InRange(found.Count(isFound => isFound), 1, 30);

        // The commit record and the index are at the end.
        await FlipAsync(path, octets, octets.Length - 20);
        Assert.False((await repository.VerifyAsync(new VerifySample(0.01, random))).IsSound);

        static async Task FlipAsync(string path, byte[] octets, int at)
        {
            var damaged = (byte[])octets.Clone();
            damaged[at] ^= 4;
            await File.WriteAllBytesAsync(path, damaged);
        }
    }

    [Fact]
    public async Task A_truncated_pack_is_found_at_every_length()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(4, Ram).Fill(10);
        await model.TakeAsync(repository.Open);
        var path = Assert.Single(repository.PackPaths);
        var octets = await File.ReadAllBytesAsync(path);
        for (var length = 0; length < octets.Length; length += Math.Max(1, octets.Length / 300))
        {
            await File.WriteAllBytesAsync(path, octets[..length]);
            Assert.False((await repository.VerifyAsync()).IsSound, $"{length} of {octets.Length} octets");
        }
    }

    [Fact]
    public async Task Octets_behind_the_end_of_a_pack_are_found_and_cut_by_a_repair()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(5, Ram).Fill(40);
        var checkpoint = await model.TakeAsync(repository.Open);
        var path = Assert.Single(repository.PackPaths);
        var octets = await File.ReadAllBytesAsync(path);
        foreach (var extra in (byte[][])[[0], [0x62], octets[..200], octets[^300..], new byte[5000]])
        {
            await File.WriteAllBytesAsync(path, [.. octets, .. extra]);
            var report = await repository.VerifyAsync();
            Assert.False(report.IsSound);
        }
        await File.WriteAllBytesAsync(path, [.. octets, .. new byte[5000]]);
        var repair = await repository.RepairAsync();
        Assert.Contains(repair.Findings, finding => finding.Contains("5000 octets", StringComparison.Ordinal));
        Assert.Equal(octets, await File.ReadAllBytesAsync(path));
        await repository.AssertSoundAsync();
        await repository.AssertHoldsAsync(checkpoint, model);
    }

    [Fact]
    public async Task A_missing_pack_is_found_with_everything_it_hits()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(6, Ram, new RamBlock("vga", 16 * Paging.PageSize)).Fill(40);
        var checkpoint = await model.TakeAsync(repository.Open, new CheckpointOptions { PackSize = 1 });
        File.Delete(repository.PackPaths[0]);
        var report = await repository.VerifyAsync();
        var finding = Assert.Single(report.Findings);
        Assert.Contains("missing", finding.Reason, StringComparison.Ordinal);
        Assert.Equal([new AffectedPart(checkpoint.Id, "guest", "RAM block 'pc.ram'")], finding.Affected);
        Assert.Contains(await repository.Open.ExamineAsync(default), one => one.Severity == DoctorSeverity.Damage);
        var error = await Assert.ThrowsAsync<SnapshotException>(() => repository.AssertHoldsAsync(checkpoint, model));
        Assert.Equal(ErrorCode.VerificationFailed, error.Code);
    }

    [Fact]
    public async Task Damage_names_the_block_and_device_it_hits_and_no_other()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(7, Ram, new RamBlock("vga", 16 * Paging.PageSize)).Fill(60);
        var checkpoint = await model.TakeAsync(repository.Open, new CheckpointOptions { PackSize = 1 });
        // Packs of one section each: memory, video memory, the CPU's state and its description, the timer's state, the manifest, the commit
        // record.
        var paths = repository.PackPaths;
        Assert.Equal(7, paths.Length);
        string?[] parts = ["RAM block 'pc.ram'", "RAM block 'vga'", "device cpu/0", "device cpu/0", "device timer/1"];
        for (var index = 0; index < parts.Length; index++)
        {
            var octets = await File.ReadAllBytesAsync(paths[index]);
            await File.WriteAllBytesAsync(paths[index], Flipped(octets, Starts(octets)[1] + 30));
            var finding = Assert.Single((await repository.VerifyAsync()).Findings);
            Assert.Equal([new AffectedPart(checkpoint.Id, "guest", parts[index])], finding.Affected);
            await File.WriteAllBytesAsync(paths[index], octets);
        }
        foreach (var (index, affected) in new[] { (5, new AffectedPart(checkpoint.Id, "guest", null)),
            (6, new AffectedPart(checkpoint.Id, null, null)) })
        {
            var octets = await File.ReadAllBytesAsync(paths[index]);
            await File.WriteAllBytesAsync(paths[index], Flipped(octets, Starts(octets)[1] + 30));
            var finding = Assert.Single((await repository.VerifyAsync()).Findings);
            Assert.Equal([affected], finding.Affected);
            await File.WriteAllBytesAsync(paths[index], octets);
        }
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task One_damage_does_not_hide_another()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(8,
            [.. Enumerable.Range(0, 8).Select(number => new RamBlock($"ram{number}", 16 * Paging.PageSize))]).Fill(100);
        await model.TakeAsync(repository.Open);
        var path = Assert.Single(repository.PackPaths);
        var octets = await File.ReadAllBytesAsync(path);
        // The length of the second value, then of the fifth: the walk loses its way twice.
        var starts = Starts(octets);
        octets[starts[2] + 2] ^= 0x10;
        octets[starts[5] + 2] ^= 0x10;
        await File.WriteAllBytesAsync(path, octets);
        var hit = (await repository.VerifyAsync()).Findings.SelectMany(finding => finding.Affected).Select(part => part.Part).ToHashSet();
        Assert.Equal(["RAM block 'ram1'", "RAM block 'ram4'"], hit.Order());
    }

    [Fact]
    public async Task Damaged_packs_give_typed_errors_only_however_they_are_read()
    {
        await using var repository = await CreateAsync();
        using var model = new GuestModel(12, Ram).Fill(20);
        var checkpoint = await model.TakeAsync(repository.Open);
        var path = Assert.Single(repository.PackPaths);
        var octets = await File.ReadAllBytesAsync(path);
        var random = new Random(13);
        var recovery = new PackRecovery(repository.Open.Id);
        using var protection = repository.DataKey is { } key ? new PackProtection(key) : null;
        for (var round = 0; round < (IsEncrypted ? 200 : 10_000); round++)
        {
            var damaged = Mutated(octets, random);
            await File.WriteAllBytesAsync(path, damaged);
            using var file = PackFile.Open(repository.Packs, new PackId(checkpoint.Id, 1), protection);
            // A digest guards every value; the parsers behind it are tried with digests put right by the fuzz target pack-value.
            Typed(() => recovery.Read(file, default));
            if (round % 20 == 0) await repository.VerifyAsync();
        }
    }

    private static void Typed(Action parse)
    {
        try
        {
            parse();
        }
        catch (SnapshotException)
        {
            // Any other exception fails the test.
        }
    }

    private static byte[] Mutated(byte[] octets, Random random)
    {
        var damaged = octets.ToList();
        for (var hits = random.Next(1, 5); hits > 0; hits--)
        {
            var at = random.Next(damaged.Count);
            switch (random.Next(6))
            {
                case 0: damaged[at] ^= (byte)(1 << random.Next(8)); break;
                case 1: damaged[at] = (byte)random.Next(256); break;
                case 2: damaged[at] = random.Next(2) == 0 ? (byte)0xff : (byte)0x7f; break;
                case 3: damaged.RemoveRange(at, Math.Min(damaged.Count - at, random.Next(1, 20))); break;
                case 4: damaged.Insert(at, (byte)random.Next(256)); break;
                default: damaged.InsertRange(at, damaged.Skip(random.Next(damaged.Count)).Take(random.Next(1, 40)).ToArray()); break;
            }
            if (damaged.Count == 0) damaged.Add(0x62);
        }
        return [.. damaged];
    }

    private static byte[] Flipped(byte[] octets, int index)
    {
        var damaged = (byte[])octets.Clone();
        damaged[index] ^= 4;
        return damaged;
    }

    /// <summary>Where the values of a pack start.</summary>
    private static List<int> Starts(byte[] octets)
    {
        var starts = new List<int>();
        for (var at = 0; at < octets.Length;)
        {
            starts.Add(at);
            Assert.True(Cutpoint.Formats.Ber.BerHeader.TryRead(octets.AsSpan(at), out var header));
            at += (int)header.TotalLength;
        }
        return starts;
    }
}
