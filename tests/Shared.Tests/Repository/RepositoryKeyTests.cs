using System.Text;
using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class RepositoryKeyTests
{
    private static readonly RamBlock Ram = new("ram", 1 << 20);

    [Fact]
    public async Task Without_the_right_key_nothing_opens_and_one_line_says_so()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        using var directory = new TemporaryDirectory();
        RepositoryKey.CreateFile(directory.File("wrong"));
        await File.WriteAllTextAsync(directory.File("short"), "secret");
        RepositoryKey?[] keys =
        [
            null, RepositoryKey.FromFile(directory.File("wrong")), RepositoryKey.FromFile(directory.File("short")), RepositoryKey.FromFile(directory.File("missing")),
            RepositoryKey.FromPassphraseFile(directory.File("wrong")), RepositoryKey.FromCommand("exit 3"), RepositoryKey.FromCommand("true"),
        ];
        await repository.CloseAsync();
        foreach (var key in keys)
        {
            var location = repository.Location with { Key = key };
            foreach (var open in new Func<Task>[]
            {
                async () => await DirectoryRepository.OpenAsync(location, TimeProvider.System, default),
                async () => await DirectoryRepository.RepairAsync(location, TimeProvider.System, default),
                () => Task.Run(() => DirectoryRepository.RemoveKey(location, DirectoryRepository.FirstKeyName, TimeProvider.System)),
            })
            {
                var error = await Assert.ThrowsAsync<SnapshotException>(open);
                Assert.Equal(ErrorCode.NotAuthorised, error.Code);
                Assert.DoesNotContain("\n", error.Message, StringComparison.Ordinal);
                Assert.NotNull(error.Advice);
            }
        }
        await repository.ReopenAsync();
        await repository.AssertSoundAsync();
    }

    [Fact]
    public async Task A_key_given_for_a_repository_that_is_not_encrypted_is_refused()
    {
        await using var repository = await TestRepository.CreateAsync();
        using var directory = new TemporaryDirectory();
        RepositoryKey.CreateFile(directory.File("key"));
        var error = await Assert.ThrowsAsync<SnapshotException>(async () => await DirectoryRepository.OpenAsync(
            repository.Location with { Key = RepositoryKey.FromFile(directory.File("key")) }, TimeProvider.System, default));
        Assert.Equal(ErrorCode.NotAuthorised, error.Code);
        Assert.Equal(
            ErrorCode.Usage,
            Assert.Throws<SnapshotException>(() => DirectoryRepository.AddKey(repository.Location, "x", RepositoryKey.FromFile(directory.File("key")), TimeProvider.System)).Code);
    }

    [Fact]
    public async Task Keys_are_added_and_removed_without_encrypting_anything_again_and_the_last_one_stays()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        using var directory = new TemporaryDirectory();
        using var model = new GuestModel(1, Ram).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        var pack = await File.ReadAllBytesAsync(Assert.Single(repository.PackPaths));
        await File.WriteAllTextAsync(directory.File("words"), "correct horse battery staple\n");
        var words = RepositoryKey.FromPassphraseFile(directory.File("words"));
        // Added while the repository is in use.
        DirectoryRepository.AddKey(repository.Location, "words", words, TimeProvider.System);
        Assert.Equal(
            [(DirectoryRepository.FirstKeyName, KeyKind.File), ("words", KeyKind.Passphrase)], DirectoryRepository.ListKeys(repository.Location with { Key = null }));
        Assert.Equal(
            ErrorCode.Usage, Assert.Throws<SnapshotException>(() => DirectoryRepository.AddKey(repository.Location, "words", words, TimeProvider.System)).Code);
        var printed = repository.Location with { Key = RepositoryKey.FromCommand("echo correct horse battery staple") };
        DirectoryRepository.RemoveKey(printed, DirectoryRepository.FirstKeyName, TimeProvider.System);
        Assert.Equal(
            ErrorCode.NotAuthorised,
            (await Assert.ThrowsAsync<SnapshotException>(async () => await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default))).Code);
        Assert.Equal(ErrorCode.Usage, Assert.Throws<SnapshotException>(() => DirectoryRepository.RemoveKey(printed, "words", TimeProvider.System)).Code);
        await using var open = await DirectoryRepository.OpenAsync(printed, TimeProvider.System, default);
        await using (var reader = await open.OpenCheckpointAsync(taken, default)) await model.AssertEqualAsync(reader.Guest(null));
        Assert.Equal(pack, await File.ReadAllBytesAsync(Assert.Single(repository.PackPaths)));
    }

    [Fact]
    public async Task A_key_is_replaced_in_one_step_under_every_name_it_has_and_the_others_stay()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        using var directory = new TemporaryDirectory();
        using var model = new GuestModel(3, Ram).Fill(50);
        var taken = await model.TakeAsync(repository.Open);
        var (spare, fresh) = (RepositoryKey.FromNewFile(directory.File("spare")), RepositoryKey.FromNewFile(directory.File("fresh")));
        DirectoryRepository.AddKey(repository.Location, "spare", spare, TimeProvider.System);
        DirectoryRepository.AddKey(repository.Location, "again", repository.Key!, TimeProvider.System);
        // The old key is not replaced by itself, nor by one that cannot be read.
        Assert.Equal(ErrorCode.Usage, Assert.Throws<SnapshotException>(() => DirectoryRepository.RotateKey(repository.Location, repository.Key!, TimeProvider.System)).Code);
        Assert.Throws<SnapshotException>(() => DirectoryRepository.RotateKey(repository.Location, RepositoryKey.FromCommand("exit 3"), TimeProvider.System));
        await OpenAsync(repository.Key!);

        Assert.Equal(DirectoryRepository.FirstKeyName, DirectoryRepository.RotateKey(repository.Location, fresh, TimeProvider.System));
        Assert.Equal([DirectoryRepository.FirstKeyName, "spare"], DirectoryRepository.ListKeys(repository.Location).Select(key => key.Name));
        await OpenAsync(fresh);
        await OpenAsync(spare);
        Assert.Equal(ErrorCode.NotAuthorised, (await Assert.ThrowsAsync<SnapshotException>(() => OpenAsync(repository.Key!))).Code);
        // Who has it open goes on.
        await repository.AssertHoldsAsync(taken, model);

        async Task OpenAsync(RepositoryKey key) => await (await DirectoryRepository.OpenAsync(repository.Location with { Key = key }, TimeProvider.System, default)).DisposeAsync();
    }

    [Fact]
    public async Task A_rotation_that_cannot_write_leaves_the_old_key_and_one_that_died_while_writing_too()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        using var directory = new TemporaryDirectory();
        var fresh = RepositoryKey.FromNewFile(directory.File("fresh"));
        var path = Path.Combine(repository.Location.Directory, "repository");
        // Where a new file is written before it takes the place of the old one.
        Directory.CreateDirectory(path + ".new");
        Assert.Throws<SnapshotException>(() => DirectoryRepository.RotateKey(repository.Location, fresh, TimeProvider.System));
        Directory.Delete(path + ".new");
        await repository.ReopenAsync();
        await File.WriteAllTextAsync(path + ".new", "cutpoint repository 2\nid ");
        await repository.ReopenAsync();
        DirectoryRepository.RotateKey(repository.Location, fresh, TimeProvider.System);
        await (await DirectoryRepository.OpenAsync(repository.Location with { Key = fresh }, TimeProvider.System, default)).DisposeAsync();
    }

    [Fact]
    public async Task A_file_somebody_without_the_key_has_changed_is_refused_though_its_checksum_holds()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        await using var other = await TestRepository.CreateAsync(isEncrypted: true);
        using var directory = new TemporaryDirectory();
        RepositoryKey.CreateFile(directory.File("second"));
        DirectoryRepository.AddKey(repository.Location, "second", RepositoryKey.FromFile(directory.File("second")), TimeProvider.System);
        await repository.CloseAsync();
        var path = Path.Combine(repository.Location.Directory, "repository");
        var lines = (await File.ReadAllLinesAsync(path))[..^1];
        var strange = (await File.ReadAllLinesAsync(Path.Combine(other.Location.Directory, "repository")))[2];
        Assert.Equal(5, lines.Length);
        string[][] forgeries =
        [
            [.. lines[..3], lines[4]],
            [.. lines[..3], strange, lines[4]],
            [.. lines[..2], lines[3], lines[2], lines[4]],
            [.. lines[..3], lines[3].Replace(" second ", " third ", StringComparison.Ordinal), lines[4]],
            [.. lines[..4], "mac " + new string('0', 64)],
            [lines[0], "id " + other.Open.Id, .. lines[2..]],
        ];
        foreach (var forged in forgeries)
        {
            var text = string.Join('\n', forged) + "\n";
            await File.WriteAllTextAsync(path, $"{text}xxh3 {Xxh3.Hash(Encoding.ASCII.GetBytes(text)):x32}\n");
            var error = await Assert.ThrowsAsync<SnapshotException>(async () => await DirectoryRepository.OpenAsync(repository.Location, TimeProvider.System, default));
            Assert.True(error.Code is ErrorCode.VerificationFailed or ErrorCode.NotAuthorised, error.Message);
        }
        var good = string.Join('\n', lines) + "\n";
        await File.WriteAllTextAsync(path, $"{good}xxh3 {Xxh3.Hash(Encoding.ASCII.GetBytes(good)):x32}\n");
        await repository.ReopenAsync();
    }

    [Fact]
    public async Task The_structure_can_be_looked_over_without_a_key()
    {
        await using var repository = await TestRepository.CreateAsync(isEncrypted: true);
        using var model = new GuestModel(2, Ram).Fill(50);
        await model.TakeAsync(repository.Open);
        var location = repository.Location with { Key = null };
        Assert.Equal(DoctorSeverity.Note, Assert.Single(await DirectoryRepository.ExamineStructureAsync(location, TimeProvider.System, default)).Severity);
        var path = Assert.Single(repository.PackPaths);
        var octets = await File.ReadAllBytesAsync(path);
        await File.WriteAllBytesAsync(path, octets[..^5]);
        var findings = await DirectoryRepository.ExamineStructureAsync(location, TimeProvider.System, default);
        Assert.Single(findings, finding => finding.Severity == DoctorSeverity.Damage && finding.Message.Contains("ends inside a value", StringComparison.Ordinal));
    }
}
