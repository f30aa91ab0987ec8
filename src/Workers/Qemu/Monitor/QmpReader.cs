using System.Net.Sockets;
using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>
/// Lines of JSON from a socket that may be exchanged under way. One reader; <see cref="PauseAsync"/>, <see cref="Resume"/> and
/// <see cref="DisposeAsync"/> come from elsewhere.
/// </summary>
internal sealed class QmpReader(string path, Socket socket) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private byte[] _buffer = new byte[8192];
    private int _start;
    private int _end;
    private CancellationTokenSource _interrupt = new();
    private TaskCompletionSource? _parked;
    private TaskCompletionSource<bool>? _resumed;
    private bool _reading;

    internal Socket Socket { get; private set; } = socket;

    /// <summary>True when a line has begun that has not ended.</summary>
    internal bool HasPartialLine => _end > _start;

    /// <summary>The next line, or null at the end. A line that is no JSON is an error.</summary>
    internal async Task<JsonElement?> ReadLineAsync(CancellationToken cancellation)
    {
        var searched = _start;
        while (true)
        {
            var newline = _buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n');
            if (newline >= 0)
            {
                var line = _buffer.AsMemory(_start, searched + newline - _start);
                _start = searched + newline + 1;
                if (line.Span.Trim(" \r\t"u8).IsEmpty)
                {
                    searched = _start;
                    continue;
                }
                return Parse(line.Span);
            }
            MakeRoom();
            searched = _end;
            var received = await ReceiveAsync(cancellation);
            if (received == 0) return null;
            _end += received;
        }
    }

    /// <summary>Ends the wait for octets without losing any, and returns when reading stands still.</summary>
    internal Task PauseAsync()
    {
        Task parked;
        lock (_gate)
        {
            _resumed = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            _parked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            parked = _parked.Task;
            if (!_reading) _parked.TrySetResult();
        }
        _interrupt.Cancel();
        return parked;
    }

    internal void Resume(Socket socket)
    {
        lock (_gate)
        {
            Socket = socket;
            _interrupt.Dispose();
            _interrupt = new CancellationTokenSource();
            var resumed = _resumed!;
            (_parked, _resumed) = (null, null);
            resumed.TrySetResult(true);
        }
    }

    /// <summary>Ends reading for good and closes the socket; the reader sees the end.</summary>
    public async ValueTask DisposeAsync()
    {
        await PauseAsync();
        _resumed!.TrySetResult(false);
        _interrupt.Dispose();
        Socket.Dispose();
    }

    private async ValueTask<int> ReceiveAsync(CancellationToken cancellation)
    {
        while (true)
        {
            TaskCompletionSource<bool>? resumed;
            CancellationToken interrupt;
            lock (_gate)
            {
                resumed = _resumed;
                interrupt = _interrupt.Token;
                _reading = resumed is null;
                if (resumed is not null) _parked?.TrySetResult();
            }
            if (resumed is not null)
            {
                if (!await resumed.Task.WaitAsync(cancellation)) return 0;
                continue;
            }
            try
            {
                return await ReceiveOnceAsync(interrupt, cancellation);
            }
            catch (OperationCanceledException) when (interrupt.IsCancellationRequested && !cancellation.IsCancellationRequested)
            {
                continue;
            }
            catch (SocketException)
            {
                // A reset connection is an end like any other; QEMU's death shows as either.
                return 0;
            }
            finally
            {
                lock (_gate)
                {
                    _reading = false;
                }
            }
        }
    }

    private async ValueTask<int> ReceiveOnceAsync(CancellationToken interrupt, CancellationToken cancellation)
    {
        var free = _buffer.AsMemory(_end);
        if (!cancellation.CanBeCanceled) return await Socket.ReceiveAsync(free, SocketFlags.None, interrupt);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(interrupt, cancellation);
        return await Socket.ReceiveAsync(free, SocketFlags.None, both.Token);
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        if (_end < _buffer.Length) return;
        if (_buffer.Length >= QmpClient.MaxLineLength)
            throw QmpException.Garbage(path, $"a line of more than {QmpClient.MaxLineLength} octets");
        Array.Resize(ref _buffer, _buffer.Length * 2);
    }

    private JsonElement Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            var reader = new Utf8JsonReader(line);
            return JsonElement.ParseValue(ref reader);
        }
        catch (JsonException)
        {
            var text = System.Text.Encoding.UTF8.GetString(line[..Math.Min(line.Length, 60)]);
            throw QmpException.Garbage(path, $"something that is not QMP: '{Printable(text)}'");
        }
    }

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '.' : c));
}
