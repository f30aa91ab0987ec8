using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class AppendFileTests
{
    [Theory]
    [InlineData(1, false)]
    [InlineData(2, false)]
    [InlineData(3, true)]
    public async Task What_is_appended_in_any_lengths_flushed_at_any_time_and_gone_on_with_is_what_the_file_holds(int seed, bool isInMemory)
    {
        var random = new Random(seed);
        using var directory = new TemporaryDirectory();
        // Files in memory have no way past the cache.
        var path = isInMemory ? $"/dev/shm/cutpoint-test-{Guid.NewGuid():n}" : directory.File("file");
        var expected = new MemoryStream();
        try
        {
            for (var life = 0; life < 3; life++)
            {
                using var file = new AppendFile(new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0));
                Assert.Equal(expected.Length, file.Length);
                for (var i = 0; i < 12; i++)
                {
                    var octets = new byte[random.Next(4) switch { 0 => random.Next(100), 1 => 4096, 2 => random.Next(20_000), _ => random.Next(5 << 20) }];
                    random.NextBytes(octets);
                    file.Append(octets);
                    expected.Write(octets);
                    if (random.Next(3) != 0) continue;
                    await file.WriteAsync(isDurable: random.Next(2) == 0);
                    Assert.Equal(expected.ToArray(), await File.ReadAllBytesAsync(path));
                }
                await (life == 1 ? file.CloseAsync() : file.WriteAsync(isDurable: true));
            }
            Assert.Equal(expected.ToArray(), await File.ReadAllBytesAsync(path));
        }
        finally
        {
            if (isInMemory) File.Delete(path);
        }
    }
}
