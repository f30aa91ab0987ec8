using Cutpoint.Repository;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Workers.Tests.Capture;

public sealed class CaptureBenchTests
{
    [Fact]
    public async Task The_ladder_has_all_rungs_and_leaves_nothing_in_the_repository()
    {
        var directory = Directory.CreateTempSubdirectory("cutpoint-bench-").FullName;
        await using (var repository = await DirectoryRepository.InitAsync(RepositoryLocation.Parse(Path.Combine(directory, "r")), TimeProvider.System, default))
        {
            var rungs = await CaptureBench.RunAsync(repository, new CaptureBenchOptions { Length = 16 << 20, Rounds = 1 }, TimeProvider.System, default);
            Assert.Equal(["copy", "classify", "compress", "digest and frame", "append", "end to end"], rungs.Select(r => r.Name));
            Assert.All(rungs, r => Assert.True(r.BytesPerSecond > 0 && r.Share > 0));
            Assert.Empty(await repository.ListAsync(default));
            Assert.DoesNotContain(Directory.EnumerateFiles(directory, "*", SearchOption.AllDirectories), f => new FileInfo(f).Length > 1 << 20);
        }
        Directory.Delete(directory, recursive: true);
    }
}
