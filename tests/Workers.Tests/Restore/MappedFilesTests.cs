using System.IO.MemoryMappedFiles;
using Cutpoint.Guests;
using Cutpoint.Workers.Restore;

namespace Cutpoint.Workers.Tests.Restore;

public sealed class MappedFilesTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-test-").FullName;

    [Theory]
    [InlineData(MemoryMappedFileAccess.CopyOnWrite)]
    [InlineData(MemoryMappedFileAccess.ReadWrite)]
    public void A_mapping_is_untouched_until_the_first_look_at_it(MemoryMappedFileAccess access)
    {
        var path = Path.Combine(_directory, "0.ram");
        using (var file = RamFile.Create(path, 1 << 20)) file.Write(new ExtentPages(1, 1, 0), new byte[Paging.PageSize]);
        Assert.False(MappedFiles.AreUntouched(Environment.ProcessId, [path]), "not mapped at all");
        using var mapped = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.ReadWrite);
        using var view = mapped.CreateViewAccessor(0, 0, access);
        Assert.True(MappedFiles.AreUntouched(Environment.ProcessId, [path]));
        Assert.False(MappedFiles.AreUntouched(Environment.ProcessId, [path, path + "2"]), "the second is not mapped");
        view.ReadByte(5 * Paging.PageSize);
        Assert.False(MappedFiles.AreUntouched(Environment.ProcessId, [path]));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);
}
