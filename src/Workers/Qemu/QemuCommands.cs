using System.Text.Json;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu;

/// <summary>The monitor commands this driver lives on, typed.</summary>
internal static class QemuCommands
{
    internal static async Task<QemuStatus> QueryStatusAsync(this QmpClient monitor, TimeSpan deadline, CancellationToken cancellation)
    {
        var answer = await monitor.ExecuteAsync("query-status", null, deadline, cancellation);
        return new QemuStatus(answer.GetProperty("status").GetString()!, answer.GetProperty("running").GetBoolean());
    }

    internal static async Task<QemuMigration> QueryMigrationAsync(
        this QmpClient monitor, TimeSpan deadline, CancellationToken cancellation) =>
        QemuMigration.Parse(await monitor.ExecuteAsync("query-migrate", null, deadline, cancellation));

    internal static async Task<Dictionary<string, bool>> QueryCapabilitiesAsync(
        this QmpClient monitor, TimeSpan deadline, CancellationToken cancellation)
    {
        var answer = await monitor.ExecuteAsync("query-migrate-capabilities", null, deadline, cancellation);
        return answer.EnumerateArray()
            .ToDictionary(entry => entry.GetProperty("capability").GetString()!, entry => entry.GetProperty("state").GetBoolean());
    }

    internal static async Task<Dictionary<string, JsonElement>> QueryParametersAsync(
        this QmpClient monitor, TimeSpan deadline, CancellationToken cancellation)
    {
        var answer = await monitor.ExecuteAsync("query-migrate-parameters", null, deadline, cancellation);
        return answer.EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value);
    }

    internal static Task SetCapabilitiesAsync(
        this QmpClient monitor, IEnumerable<KeyValuePair<string, bool>> capabilities, TimeSpan deadline, CancellationToken cancellation) =>
        monitor.ExecuteAsync("migrate-set-capabilities", writer =>
        {
            writer.WriteStartArray("capabilities");
            foreach (var (name, state) in capabilities)
            {
                writer.WriteStartObject();
                writer.WriteString("capability", name);
                writer.WriteBoolean("state", state);
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        }, deadline, cancellation);
}
