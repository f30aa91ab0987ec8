using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace Cutpoint.Acceptance.Tests.BadDays;

/// <summary>
/// A monitor's socket that speaks for a real one as an older QEMU would: it greets with another version, and migration capabilities that came later are
/// unknown to it.
/// </summary>
internal sealed class OlderMonitor : IAsyncDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _end = new();
    private readonly string _monitor;
    private readonly Version _version;
    private readonly HashSet<string> _unknown;
    private readonly Task _serving;

    /// <summary>Listens on a path and passes on to a monitor.</summary>
    public OlderMonitor(string path, string monitor, Version version, params IEnumerable<string> unknown)
    {
        (_monitor, _version, _unknown) = (monitor, version, [.. unknown]);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _serving = ServeAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _end.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            using var client = new NetworkStream(await _listener.AcceptAsync(_end.Token), ownsSocket: true);
            using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(_monitor), _end.Token);
            using var monitor = new NetworkStream(socket);
            var forth = client.CopyToAsync(monitor, _end.Token);
            var back = AnswerAsync(monitor, client);
            await Task.WhenAny(forth, back);
        }
    }

    private async Task AnswerAsync(Stream monitor, Stream client)
    {
        using var reader = new StreamReader(monitor, leaveOpen: true);
        await using var writer = new StreamWriter(client, leaveOpen: true) { NewLine = "\r\n", AutoFlush = true };
        while (await reader.ReadLineAsync(_end.Token) is { } line) await writer.WriteLineAsync(AsOlder(JsonNode.Parse(line)!).ToJsonString());
    }

    private JsonNode AsOlder(JsonNode answer)
    {
        if (answer["QMP"] is { } greeting)
            greeting["version"]!["qemu"] = new JsonObject { ["major"] = _version.Major, ["minor"] = _version.Minor, ["micro"] = _version.Build };
        if (answer["return"] is JsonArray list)
        {
            foreach (var entry in list.Where(entry => entry is JsonObject one && one["capability"] is { } name && _unknown.Contains((string)name!)).ToList())
                list.Remove(entry);
        }
        return answer;
    }
}
