using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Cutpoint.TestGuests;

/// <summary>A QEMU that <c>cutpoint restore --launch</c> started. Killed when disposed.</summary>
public sealed class RestoredGuest : IAsyncDisposable
{
    private readonly Process _process;

    private RestoredGuest(int process, string monitor, string serial)
    {
        _process = Process.GetProcessById(process);
        Monitor = monitor;
        Serial = new SerialLog(serial);
    }

    /// <summary>Path of its QMP socket.</summary>
    public string Monitor { get; }

    /// <summary>Its serial line.</summary>
    public SerialLog Serial { get; }

    /// <summary>From what <c>restore --json</c> prints.</summary>
    public static RestoredGuest From(JsonNode restored) => AllFrom(restored)[0];

    /// <summary>Every guest, from what <c>restore --json</c> prints.</summary>
    public static IReadOnlyList<RestoredGuest> AllFrom(JsonNode restored) =>
        [.. restored["guests"]!.AsArray().Select(guest =>
        {
            var monitor = (string)guest!["monitor"]!;
            return new RestoredGuest((int)guest["process"]!, monitor, Path.Combine(Path.GetDirectoryName(monitor)!, "serial"));
        })];

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
