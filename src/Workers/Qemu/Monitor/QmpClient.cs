using System.Buffers;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>
/// A client of one QEMU monitor in control mode (QMP): commands with a deadline each, events in order, descriptor passing.
/// A monitor that stalls, dies or talks nonsense ends in a <see cref="QmpException"/> that names the command. Safe for concurrent use.
/// </summary>
public sealed class QmpClient : IAsyncDisposable
{
    /// <summary>The longest line taken from a monitor. QEMU's longest answers (schema, memory tree) are well under 1 MiB.</summary>
    public const int MaxLineLength = 16 << 20;

    /// <summary>
    /// How long a monitor may take to greet a new client. A free one greets within a millisecond; a busy main loop has been seen to take
    /// two seconds.
    /// </summary>
    public static readonly TimeSpan GreetingDeadline = TimeSpan.FromSeconds(3);

    /// <summary>How long a command may take unless it says otherwise.</summary>
    public static readonly TimeSpan CommandDeadline = TimeSpan.FromSeconds(10);

    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private readonly List<Pending> _pending = [];
    private readonly List<QmpEventStream> _streams = [];
    private readonly Lock _gate = new();
    private readonly TaskCompletionSource<QmpException> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ArrayBufferWriter<byte> _line = new(256);
    private readonly TaskCompletionSource<QmpGreeting> _greeting = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly QmpReader _reader;
    private readonly bool _midway;
    private long _lastId;
    private bool _disposed;

    private QmpClient(string path, Socket socket, TimeProvider time, bool midway = false)
    {
        Path = path;
        _reader = new QmpReader(path, socket);
        _time = time;
        _midway = midway;
        PeerProcessId = QmpSocket.PeerProcess(socket);
    }

    /// <summary>The socket's path.</summary>
    public string Path { get; }

    /// <summary>What the monitor said of itself; null on a connection that was taken over.</summary>
    public QmpGreeting? Greeting { get; private set; }

    /// <summary>
    /// The process that listens on the socket, by the kernel's word at connect time; null when it is not visible from here.
    /// </summary>
    public int? PeerProcessId { get; }

    /// <summary>Completes with the reason when the connection has ended. Never faults.</summary>
    public Task<QmpException> Ended => _ended.Task;

    internal Socket Socket => _reader.Socket;

    /// <summary>Connects, takes the greeting and enters command mode.</summary>
    /// <exception cref="QmpException">No such socket, nobody listens, no permission, not QMP, in use by another client.</exception>
    public static async Task<QmpClient> ConnectAsync(string path, TimeProvider time, CancellationToken cancellation)
    {
        var client = new QmpClient(path, await QmpSocket.OpenAsync(path, time, cancellation), time);
        try
        {
            _ = client.ReadAsync();
            client.Greeting = await client._greeting.Task.WaitAsync(GreetingDeadline, time, cancellation);
            await client.ExecuteAsync("qmp_capabilities", cancellation);
            return client;
        }
        catch (TimeoutException)
        {
            await client.DisposeAsync();
            throw client._reader.HasPartialLine ? QmpSocket.NotQmp(path) : QmpSocket.InUse(path);
        }
        catch
        {
            await client.DisposeAsync();
            throw;
        }
    }

    /// <summary>
    /// Takes over a connection that is in command mode, possibly in the middle of a line and with answers to others' commands on the way.
    /// </summary>
    internal static QmpClient Adopt(string path, Socket socket, TimeProvider time)
    {
        var client = new QmpClient(path, socket, time, midway: true);
        _ = client.ReadAsync();
        return client;
    }

    /// <summary>Runs a command without arguments and returns its answer.</summary>
    public Task<JsonElement> ExecuteAsync(string command, CancellationToken cancellation) =>
        ExecuteAsync(command, null, CommandDeadline, cancellation);

    /// <summary>Runs a command and returns its answer.</summary>
    /// <param name="command">The command's name.</param>
    /// <param name="arguments">Writes the members of the arguments object, or null for none.</param>
    /// <param name="deadline">How long to wait for the answer. A later answer is dropped; the connection stays usable.</param>
    /// <param name="cancellation">Gives up waiting. A command that was sent is carried out all the same.</param>
    /// <exception cref="QmpException">QEMU refused, stalled, or ended.</exception>
    public Task<JsonElement> ExecuteAsync(
        string command, Action<Utf8JsonWriter>? arguments, TimeSpan deadline, CancellationToken cancellation) =>
        ExecuteAsync(command, arguments, null, deadline, cancellation);

    /// <summary>
    /// Passes a descriptor to QEMU under a name that commands such as <c>migrate fd:NAME</c> take. The caller keeps its own.
    /// </summary>
    public async Task SendDescriptorAsync(string name, SafeHandle descriptor, CancellationToken cancellation) =>
        await ExecuteAsync("getfd", writer => writer.WriteString("fdname", name), descriptor, CommandDeadline, cancellation);

    /// <summary>Runs a command line of the human monitor and returns its text.</summary>
    public async Task<string> HumanMonitorAsync(string commandLine, CancellationToken cancellation)
    {
        var answer = await ExecuteAsync(
            "human-monitor-command", writer => writer.WriteString("command-line", commandLine), CommandDeadline, cancellation);
        return answer.ValueKind == JsonValueKind.String
            ? answer.GetString()! : throw QmpException.Garbage(Path, $"no text for '{commandLine}'");
    }

    /// <summary>Subscribes to events from now on. Dispose the stream to end it.</summary>
    /// <param name="names">The names wanted; none means all.</param>
    public QmpEventStream Subscribe(params IReadOnlyList<string> names)
    {
        var stream = new QmpEventStream(Path, names, Unsubscribe, _time);
        lock (_gate)
        {
            if (_ended.Task.IsCompleted) stream.End(_ended.Task.Result);
            else _streams.Add(stream);
        }
        return stream;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_disposed) return;
        _disposed = true;
        End(new QmpException(QmpFailure.Ended, ErrorCode.Cancelled, $"{Path}: the connection was closed on this side"));
        await _reader.DisposeAsync();
        _sending.Dispose();
    }

    /// <summary>
    /// Hands the connection to another process and goes on through the socket it answers with. Nothing is lost: reading stops between two
    /// calls, and what was read of an unfinished line stays here. No command may be outstanding.
    /// </summary>
    internal async Task RerouteAsync(Func<Socket, CancellationToken, Task<Socket>> handOver, CancellationToken cancellation)
    {
        await _sending.WaitAsync(cancellation);
        try
        {
            lock (_gate)
            {
                if (_pending.Count > 0) throw new InvalidOperationException($"'{_pending[0].Command}' is outstanding");
            }
            await _reader.PauseAsync();
            var before = _reader.Socket;
            var after = before;
            try
            {
                after = await handOver(before, cancellation);
            }
            finally
            {
                _reader.Resume(after);
                if (after != before) before.Dispose();
            }
        }
        finally
        {
            _sending.Release();
        }
    }

    private async Task<JsonElement> ExecuteAsync(
        string command, Action<Utf8JsonWriter>? arguments, SafeHandle? descriptor, TimeSpan deadline, CancellationToken cancellation)
    {
        Pending pending;
        await _sending.WaitAsync(cancellation);
        try
        {
            // Two clients may speak over one connection in turn (a guard takes over from a dead worker): the second one counts down, so that their ids never
            // meet. Ids are short, since QEMU reads its monitors octet by octet and is busy for 20 µs with each.
            pending = new Pending(_midway ? --_lastId : ++_lastId, command);
            lock (_gate)
            {
                if (_ended.Task.IsCompleted) throw Again(_ended.Task.Result, command);
                _pending.Add(pending);
            }
            try
            {
                await SendAsync(pending, arguments, descriptor, deadline, cancellation);
            }
            catch
            {
                Forget(pending);
                throw;
            }
        }
        finally
        {
            _sending.Release();
        }
        try
        {
            return await pending.Answer.Task.WaitAsync(deadline, _time, cancellation);
        }
        catch (TimeoutException)
        {
            throw QmpException.Stalled(Path, command, deadline);
        }
        finally
        {
            Forget(pending);
        }
    }

    private async Task SendAsync(
        Pending pending, Action<Utf8JsonWriter>? arguments, SafeHandle? descriptor, TimeSpan deadline, CancellationToken cancellation)
    {
        _line.ResetWrittenCount();
        using (var writer = new Utf8JsonWriter(_line))
        {
            writer.WriteStartObject();
            writer.WriteString("execute", pending.Command);
            if (arguments is not null)
            {
                writer.WriteStartObject("arguments");
                arguments(writer);
                writer.WriteEndObject();
            }
            writer.WriteNumber("id", pending.Id);
            writer.WriteEndObject();
        }
        _line.Write("\n"u8);
        try
        {
            await QmpSocket.SendAsync(_reader.Socket, _line.WrittenMemory, descriptor, deadline, _time, cancellation);
        }
        catch (TimeoutException)
        {
            throw QmpException.Stalled(Path, pending.Command, deadline);
        }
        catch (SocketException ended)
        {
            throw QmpException.Ended(Path, pending.Command, ended);
        }
    }

    private async Task ReadAsync()
    {
        try
        {
            await _reader.RunAsync(Take);
            End(QmpException.Ended(Path, command: null));
        }
        catch (QmpException reason)
        {
            End(reason);
        }
    }

    private void Take(JsonElement line)
    {
        if (!_midway && !_greeting.Task.IsCompleted)
        {
            _greeting.SetResult(QmpGreeting.TryParse(line) ?? throw QmpSocket.NotQmp(Path));
            return;
        }
        var message = QmpMessage.Parse(line);
        if (message.Event is { } next)
        {
            lock (_gate)
            {
                foreach (var stream in _streams) stream.Offer(next);
            }
        }
        else if (message.Id is { } id)
        {
            Pending? pending;
            lock (_gate)
            {
                pending = _pending.Find(entry => entry.Id == id);
            }
            if (pending is null) return;
            if (message.Return is { } value) pending.Answer.TrySetResult(value);
            else pending.Answer.TrySetException(QmpException.Refused(Path, pending.Command, message.ErrorClass, message.ErrorText));
        }
    }

    private void End(QmpException reason)
    {
        Pending[] pending;
        lock (_gate)
        {
            if (!_ended.TrySetResult(reason)) return;
            pending = [.. _pending];
            foreach (var stream in _streams) stream.End(reason);
            _streams.Clear();
        }
        // What ends before it greets is no monitor, unless this side ended it.
        var ownDoing = reason.Failure == QmpFailure.NotQmp || reason.Code == ErrorCode.Cancelled;
        if (!_midway) _greeting.TrySetException(ownDoing ? reason : QmpSocket.NotQmp(Path, reason));
        foreach (var entry in pending) entry.Answer.TrySetException(Again(reason, entry.Command));
    }

    private QmpException Again(QmpException reason, string command) =>
        reason.Failure == QmpFailure.Ended && reason.Code == ErrorCode.Failed
            ? QmpException.Ended(Path, command, reason)
            : new QmpException(reason.Failure, reason.Code, $"{reason.Message} (while '{command}' was outstanding)", reason.Advice, reason);

    private void Forget(Pending pending)
    {
        lock (_gate)
        {
            _pending.Remove(pending);
        }
    }

    private void Unsubscribe(QmpEventStream stream)
    {
        lock (_gate)
        {
            _streams.Remove(stream);
        }
    }

    private sealed record Pending(long Id, string Command)
    {
        internal TaskCompletionSource<JsonElement> Answer { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
