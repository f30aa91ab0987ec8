using System.Text.Json;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Tests.Qemu;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>
/// A running QEMU sends its pages in the ways only QEMU can, several times over, into a file; the file goes through a repository and comes out as a plain stream, which
/// another QEMU loads. What judges is QEMU's own dump of the guest on either side.
/// </summary>
public sealed class RewrittenStreamTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan PollInterval = TimeSpan.FromMilliseconds(10);

    // No multiple of 256 KiB: in such blocks QEMU before 9.0 loses writes of live passes under TCG.
    private static readonly string[] Machine =
        ["-object", "memory-backend-ram,id=ram0,size=17416K", "-machine", "pc,memory-backend=ram0", "-m", "17416K"];

    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-rewritten-").FullName;

    [Theory]
    [InlineData("xbzrle", "xbzrle-cache")]
    [InlineData("compress", "compression")]
    public async Task QEMU_loads_the_same_guest_from_a_stream_rewritten_without_the_capability(string capability, string statistics)
    {
        var (stream, before) = (In("own.qmig"), In("before.elf"));
        await using (var guest = await ToyGuest.StartAsync(Machine))
        {
            await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
            var sent = await MigrateLiveAsync(monitor, capability, stream);
            Assert.True(sent.GetProperty(statistics).GetProperty("pages").GetInt64() > 0, $"no page was sent by {capability}: {sent}");
            await DumpAsync(monitor, before);
        }

        var (rewritten, after) = (In("rewritten.qmig"), In("after.elf"));
        await RewriteAsync(stream, rewritten);
        await using (var guest = ToyGuest.Launch([.. Machine, "-S", "-incoming", $"exec:cat {rewritten}"]))
        {
            await guest.UntilItListensAsync();
            await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
            await WaitAsync(async () => (await monitor.ExecuteAsync("query-status", default)).GetProperty("status").GetString() == "paused");
            await DumpAsync(monitor, after);
        }

        var (expected, actual) = (File.ReadAllBytes(before), File.ReadAllBytes(after));
        Assert.Equal(expected.Length, actual.Length);
        Assert.Equal(expected.Length, expected.AsSpan().CommonPrefixLength(actual));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private string In(string name) => Path.Combine(_directory, name);

    /// <summary>Slow enough for pages to be sent again, then to the end at full speed.</summary>
    /// <returns>QEMU's statistics.</returns>
    private static async Task<JsonElement> MigrateLiveAsync(QmpClient monitor, string capability, string file)
    {
        await RunAsync(monitor, "migrate-set-capabilities", writer =>
        {
            writer.WriteStartArray("capabilities");
            writer.WriteStartObject();
            writer.WriteString("capability", capability);
            writer.WriteBoolean("state", true);
            writer.WriteEndObject();
            writer.WriteEndArray();
        });
        await SetSpeedAsync(monitor, octetsPerSecond: 8_000_000, downtime: 1);
        await RunAsync(monitor, "migrate", writer => writer.WriteString("uri", $"exec:cat > {file}"));
        await WaitAsync(async () => (await monitor.ExecuteAsync("query-migrate", default)) is var state
            && state.TryGetProperty("ram", out var ram) && ram.GetProperty("dirty-sync-count").GetInt64() >= 5);
        await SetSpeedAsync(monitor, octetsPerSecond: 0, downtime: 2000);
        var last = default(JsonElement);
        await WaitAsync(async () => (last = await monitor.ExecuteAsync("query-migrate", default)).GetProperty("status").GetString() == "completed");
        return last;
    }

    private static Task<JsonElement> SetSpeedAsync(QmpClient monitor, long octetsPerSecond, int downtime) => RunAsync(monitor, "migrate-set-parameters", writer =>
    {
        writer.WriteNumber("max-bandwidth", octetsPerSecond);
        writer.WriteNumber("downtime-limit", downtime);
    });

    private static Task<JsonElement> DumpAsync(QmpClient monitor, string file) => RunAsync(monitor, "dump-guest-memory", writer =>
    {
        writer.WriteBoolean("paging", false);
        writer.WriteString("protocol", $"file:{file}");
    });

    private static Task<JsonElement> RunAsync(QmpClient monitor, string command, Action<Utf8JsonWriter> arguments) => monitor.ExecuteAsync(command, arguments, Patience, default);

    private static async Task WaitAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(Patience);
        while (!await condition()) await Task.Delay(PollInterval, limit.Token);
    }

    private async Task RewriteAsync(string stream, string rewritten)
    {
        await using var repository = await DirectoryRepository.InitAsync(RepositoryLocation.Parse(In("repository")), TimeProvider.System, default);
        var imported = await ImportJob.RunAsync(repository, new ImportOptions { Path = stream }, null, default);
        await ExportJob.RunAsync(
            repository, new ExportOptions { Checkpoint = imported.Checkpoint.Id.ToString(), Format = "qemu", Output = rewritten }, null, default);
    }
}
