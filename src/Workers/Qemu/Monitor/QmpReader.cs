using System.Net.Sockets;
using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>
/// Lines of JSON from a socket that may be exchanged under way. One task reads; <see cref="PauseAsync"/>, <see cref="Resume"/> and
/// <see cref="DisposeAsync"/> come from elsewhere.
/// </summary>
internal sealed class QmpReader(string path, Socket socket) : IAsyncDisposable
{
    private readonly Lock _gate = new();
    private readonly QmpLines _lines = new(path);
    private CancellationTokenSource _interrupt = new();
    private TaskCompletionSource? _parked;
    private TaskCompletionSource? _resumed;
    private bool _reading;
    private volatile bool _stopped;

    internal Socket Socket { get; private set; } = socket;

    /// <summary>True when a line has begun that has not ended.</summary>
    internal bool HasPartialLine => _lines.HasPartialLine;

    /// <summary>Reads until the end, or until disposed.</summary>
    /// <param name="take">Gets every line, in order.</param>
    /// <exception cref="QmpException">A line is no JSON, or too long.</exception>
    internal async Task RunAsync(Action<JsonElement> take)
    {
        try
        {
            while (!_stopped)
            {
                if (Park() is { } resumed)
                {
                    await resumed;
                    continue;
                }
                var received = await ReceiveAsync();
                if (received == 0) return;
                if (received > 0) _lines.Take(received, take);
            }
        }
        finally
        {
            lock (_gate)
            {
                _reading = false;
                _parked?.TrySetResult();
            }
        }
    }

    /// <summary>Ends the wait for octets without losing any, and returns when reading stands still.</summary>
    internal Task PauseAsync()
    {
        Task parked;
        lock (_gate)
        {
            _resumed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
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
            resumed.TrySetResult();
        }
    }

    /// <summary>Ends reading for good and closes the socket; the reader sees the end.</summary>
    public async ValueTask DisposeAsync()
    {
        await PauseAsync();
        _stopped = true;
        _resumed!.TrySetResult();
        _interrupt.Dispose();
        Socket.Dispose();
    }

    /// <summary>How many octets came; 0 at the end, negative when interrupted.</summary>
    private async ValueTask<int> ReceiveAsync()
    {
        try
        {
            return await Socket.ReceiveAsync(_lines.Room, SocketFlags.None, _interrupt.Token);
        }
        catch (OperationCanceledException)
        {
            // Octets that had come are not lost: they are still in the socket.
            return -1;
        }
        catch (SocketException)
        {
            // A reset connection is an end like any other; QEMU's death shows as either.
            return 0;
        }
    }

    /// <summary>What to wait for when reading shall stand still, or null: it may go on.</summary>
    private Task? Park()
    {
        lock (_gate)
        {
            _reading = _resumed is null;
            if (!_reading) _parked!.TrySetResult();
            return _resumed?.Task;
        }
    }
}
