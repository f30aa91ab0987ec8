using System.Net.Sockets;
using System.Text;

namespace Cutpoint.Workers.Tests.Qemu.Monitor;

/// <summary>A socket that behaves as a test wants, for what no real QEMU can be made to do.</summary>
internal sealed class FakeMonitor : IAsyncDisposable
{
    internal const string Greeting =
        """{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": ""}, "capabilities": ["oob"]}}""" + "\r\n";

    private readonly string _directory = ToyGuest.MakeDirectory();
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _serving;

    internal FakeMonitor(Func<FakeMonitorClient, Task> serve)
    {
        _listener.Bind(new UnixDomainSocketEndPoint(Path));
        _listener.Listen();
        _serving = ServeAsync(serve);
    }

    internal string Path => System.IO.Path.Combine(_directory, "qmp");

    /// <summary>Greets, answers qmp_capabilities, then does what the test wants.</summary>
    internal static FakeMonitor Ready(Func<FakeMonitorClient, Task> serve) => new(async client =>
    {
        await client.SendAsync(Greeting);
        await client.AnswerAsync();
        await serve(client);
    });

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Dispose();
        await _serving;
        _stop.Dispose();
        Directory.Delete(_directory, recursive: true);
    }

    private async Task ServeAsync(Func<FakeMonitorClient, Task> serve)
    {
        try
        {
            using var socket = await _listener.AcceptAsync(_stop.Token);
            using var client = new FakeMonitorClient(socket, _stop.Token);
            await serve(client);
        }
        catch (Exception end) when (end is OperationCanceledException or SocketException)
        {
            // The test is over, or the client went.
        }
    }
}

/// <summary>The server's end of one connection.</summary>
internal sealed class FakeMonitorClient(Socket socket, CancellationToken stop) : IDisposable
{
    private readonly StreamReader _reader = new(new NetworkStream(socket), Encoding.UTF8);

    public void Dispose() => _reader.Dispose();

    internal async Task SendAsync(string text) => await socket.SendAsync(Encoding.UTF8.GetBytes(text), stop);

    /// <summary>The id of the next command.</summary>
    internal async Task<long> CommandAsync() => (await ReadAsync()).Id;

    /// <summary>Answers commands by their names, until the client goes.</summary>
    internal async Task AnswerAllAsync(Func<string, string> answer)
    {
        while (true)
        {
            var (id, name) = await ReadAsync();
            await SendAsync($$"""{"return": {{answer(name)}}, "id": {{id}}}""" + "\r\n");
        }
    }

    private async Task<(long Id, string Name)> ReadAsync()
    {
        var line = await _reader.ReadLineAsync(stop) ?? throw new SocketException((int)SocketError.Disconnecting);
        using var json = System.Text.Json.JsonDocument.Parse(line);
        return (json.RootElement.GetProperty("id").GetInt64(), json.RootElement.GetProperty("execute").GetString()!);
    }

    internal async Task AnswerAsync(string value = "{}") =>
        await SendAsync($$"""{"return": {{value}}, "id": {{await CommandAsync()}}}""" + "\r\n");

    /// <summary>Says nothing more, until the test is over.</summary>
    internal Task HangAsync() => Task.Delay(Timeout.Infinite, stop);
}
