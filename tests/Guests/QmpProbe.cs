using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Cutpoint.TestGuests;

/// <summary>A QMP client just good enough to judge by: one command after another, events are skipped unless waited for.</summary>
public sealed class QmpProbe : IDisposable
{
    private readonly Socket _socket;
    private readonly StreamReader _reader;

    private QmpProbe(Socket socket)
    {
        _socket = socket;
        _reader = new StreamReader(new NetworkStream(socket));
    }

    /// <summary>Connects and leaves negotiation mode.</summary>
    public static async Task<QmpProbe> ConnectAsync(string path, CancellationToken cancellation)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
        var probe = new QmpProbe(socket);
        await probe.ReadAsync(cancellation);
        await probe.ExecuteAsync("qmp_capabilities", null, cancellation);
        return probe;
    }

    /// <summary>Executes one command on a connection of its own.</summary>
    public static async Task<JsonNode?> ExecuteAsync(string path, string command, JsonObject? arguments, CancellationToken cancellation)
    {
        using var probe = await ConnectAsync(path, cancellation);
        return await probe.ExecuteAsync(command, arguments, cancellation);
    }

    /// <summary>Executes a command.</summary>
    /// <exception cref="InvalidOperationException">QEMU answered with an error; its text.</exception>
    public async Task<JsonNode?> ExecuteAsync(string command, JsonObject? arguments, CancellationToken cancellation)
    {
        var request = new JsonObject { ["execute"] = command };
        if (arguments is not null) request["arguments"] = arguments;
        await _socket.SendAsync(JsonSerializer.SerializeToUtf8Bytes(request), cancellation);
        for (; ; )
        {
            var answer = await ReadAsync(cancellation);
            if (answer["error"] is { } error) throw new InvalidOperationException($"{command}: {error["desc"]}");
            if (answer.ContainsKey("return")) return answer["return"];
        }
    }

    /// <summary>Waits for an event.</summary>
    public async Task<JsonObject> EventAsync(string name, CancellationToken cancellation)
    {
        for (; ; )
        {
            var message = await ReadAsync(cancellation);
            if ((string?)message["event"] == name) return message;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _reader.Dispose();
        _socket.Dispose();
    }

    private async Task<JsonObject> ReadAsync(CancellationToken cancellation) =>
        JsonNode.Parse(await _reader.ReadLineAsync(cancellation) ?? throw new EndOfStreamException("the monitor closed the connection"))!.AsObject();
}
