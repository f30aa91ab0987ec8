using System.Net.Sockets;

namespace Cutpoint.Shared.Tests.Durability;

/// <summary>Stands between a program and PostgreSQL, and loses the connection when the server has done what the program is to be in doubt about.</summary>
internal sealed class LossyProxy : IAsyncDisposable
{
    private readonly string _server;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _accepting;
    private byte[]? _word;

    public LossyProxy(string directory, string server)
    {
        _server = server;
        _listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(directory, ".s.PGSQL.5432")));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    /// <summary>Answers that were lost.</summary>
    public int Losses { get; private set; }

    /// <summary>The answer to the next statement with that word is lost, and the connection with it.</summary>
    public void LoseAnswerTo(string word) => Volatile.Write(ref _word, System.Text.Encoding.ASCII.GetBytes(word));

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _listener.Dispose();
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true) _ = ServeAsync(await _listener.AcceptAsync(_closing.Token));
    }

    private async Task ServeAsync(Socket client)
    {
        using (client)
        using (var server = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            await server.ConnectAsync(new UnixDomainSocketEndPoint(_server));
            var isLosing = new StrongBox();
            await Task.WhenAny(PumpAsync(client, server, isLosing, isRequest: true), PumpAsync(server, client, isLosing, isRequest: false));
        }
    }

    private async Task PumpAsync(Socket from, Socket to, StrongBox isLosing, bool isRequest)
    {
        var buffer = new byte[1 << 16];
        try
        {
            while (await from.ReceiveAsync(buffer, _closing.Token) is > 0 and var count)
            {
                if (isRequest && Volatile.Read(ref _word) is { } word && buffer.AsSpan(0, count).IndexOf(word) >= 0)
                {
                    isLosing.Value = true;
                    Volatile.Write(ref _word, null);
                }
                else if (!isRequest && isLosing.Value)
                {
                    // The server has answered, so it is done.
                    Losses++;
                    return;
                }
                await to.SendAsync(buffer.AsMemory(0, count), _closing.Token);
            }
        }
        catch (Exception error) when (error is SocketException or OperationCanceledException or ObjectDisposedException)
        {
        }
    }

    private sealed class StrongBox
    {
        public volatile bool Value;
    }
}
