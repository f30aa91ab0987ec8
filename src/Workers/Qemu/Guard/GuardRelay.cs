namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>
/// Carries whole lines between a worker and a monitor until one of them ends or the guest stands still for too long. One thread, no
/// allocation per line. The monitor never holds half a command, so its connection can be taken over at any moment.
/// </summary>
internal sealed class GuardRelay : IDisposable
{
    private const int BufferSize = 64 << 10;
    private const int MaxToMonitor = 1 << 20;
    // What a worker may leave unread before it counts as stuck; beyond any answer of a monitor (QmpClient.MaxLineLength).
    private const int MaxToWorker = 32 << 20;

    private readonly int _worker;
    private readonly int _monitor;
    private readonly long _freezeLimit;
    private readonly List<int> _descriptors = [];
    private readonly List<int> _streams = [];
    private RelayBuffer _toMonitor = new(BufferSize);
    private RelayBuffer _toWorker = new(BufferSize);
    private int _scanned;
    private long? _stoppedAt;

    /// <summary>Creates a relay between two descriptors; it owns neither.</summary>
    internal GuardRelay(int worker, int monitor, long freezeLimit)
    {
        _worker = worker;
        _monitor = monitor;
        _freezeLimit = freezeLimit;
    }

    internal unsafe GuardRelayEnd Run()
    {
        var entries = stackalloc Libc.PollEntry[2];
        while (true)
        {
            if (_toWorker.Length > MaxToWorker) return GuardRelayEnd.WorkerStuck;
            entries[0] = Entry(_worker, read: _toMonitor.Length <= MaxToMonitor, write: _toWorker.HasLine);
            entries[1] = Entry(_monitor, read: true, write: _toMonitor.HasLine);
            var ready = Libc.Poll(entries, 2, Remaining()) > 0;
            // The monitor is heard before the clock is looked at: on a busy host the limit may pass while the event that the guest runs again waits here.
            if (ready && entries[1].Returned != 0 && !FromMonitor()) return GuardRelayEnd.GuestEnded;
            Watch();
            if (Remaining() == 0) return GuardRelayEnd.FreezeLimit;
            // Interrupted or timed out: the entries say nothing.
            if (!ready) continue;
            if (entries[0].Returned != 0 && !FromWorker()) return GuardRelayEnd.WorkerEnded;
            if (!ToMonitor()) return GuardRelayEnd.GuestEnded;
            if (!ToWorker()) return GuardRelayEnd.WorkerEnded;
        }
    }

    /// <summary>
    /// Shuts the sockets that were passed for a migration. A worker that hangs without reading holds QEMU's main loop in write(2) during
    /// the completion, and with it every command; only this ends that write. A background snapshot is not concerned: it goes to a regular
    /// file.
    /// </summary>
    public void Dispose()
    {
        foreach (var stream in _streams) _ = Libc.Shutdown(stream, Libc.ShutdownBoth);
        CloseAll(_streams);
        CloseAll(_descriptors);
    }

    private static Libc.PollEntry Entry(int descriptor, bool read, bool write) => new()
    {
        Descriptor = descriptor, Events = (short)((read ? Libc.PollIn : 0) | (write ? Libc.PollOut : 0)),
    };

    private int Remaining()
    {
        if (_freezeLimit == 0 || _stoppedAt is not { } since) return -1;
        return (int)Math.Clamp(since + _freezeLimit - Environment.TickCount64, 0, int.MaxValue);
    }

    private bool FromWorker()
    {
        Span<int> descriptors = stackalloc int[Libc.MaxDescriptors];
        var received = Libc.Receive(_worker, _toMonitor.Free(BufferSize), descriptors, out var count);
        for (var i = 0; i < count; i++) _descriptors.Add(descriptors[i]);
        if (received > 0) _toMonitor.Added(received);
        return received > 0 || received == -Libc.WouldBlock;
    }

    private bool FromMonitor()
    {
        var received = Libc.Receive(_monitor, _toWorker.Free(BufferSize), [], out _);
        if (received > 0) _toWorker.Added(received);
        return received > 0 || received == -Libc.WouldBlock;
    }

    private bool ToMonitor()
    {
        while (_toMonitor.HasLine)
        {
            // QEMU keeps the descriptors of the last message it read for the command that asks for them; they go with the first octet.
            var sent = Libc.Send(_monitor, _toMonitor.Lines, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_descriptors));
            if (sent < 0) return sent == -Libc.WouldBlock;
            KeepStreams();
            _toMonitor.Taken(sent);
        }
        return true;
    }

    private bool ToWorker()
    {
        while (_toWorker.HasLine)
        {
            var sent = Libc.Send(_worker, _toWorker.Lines, []);
            if (sent < 0) return sent == -Libc.WouldBlock;
            _toWorker.Taken(sent);
            _scanned -= sent;
        }
        return true;
    }

    private void KeepStreams()
    {
        if (_descriptors.Count == 0) return;
        CloseAll(_streams);
        foreach (var descriptor in _descriptors)
        {
            if (Libc.IsSocket(descriptor)) _streams.Add(descriptor);
            else _ = Libc.Close(descriptor);
        }
        _descriptors.Clear();
    }

    /// <summary>
    /// Looks for events that matter in the whole lines not looked at yet. A quote inside a JSON text is always escaped, so these octets can
    /// only be members.
    /// </summary>
    private void Watch()
    {
        var lines = _toWorker.Lines[_scanned..];
        _scanned += lines.Length;
        while (!lines.IsEmpty)
        {
            var length = lines.IndexOf((byte)'\n') + 1;
            var line = lines[..length];
            lines = lines[length..];
            if (IsEvent(line, "STOP"u8)) _stoppedAt ??= Environment.TickCount64;
            else if (IsEvent(line, "RESUME"u8)) _stoppedAt = null;
            // As long as a copy is open here, the worker does not see the end of its stream.
            else if (IsEvent(line, "MIGRATION"u8) && HasEnded(line)) CloseAll(_streams);
        }
    }

    private static bool IsEvent(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name) => HasMember(line, "\"event\""u8, name);

    private static bool HasEnded(ReadOnlySpan<byte> line) =>
        HasStatus(line, "completed"u8) || HasStatus(line, "failed"u8) || HasStatus(line, "cancelled"u8);

    private static bool HasStatus(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name) => HasMember(line, "\"status\""u8, name);

    private static bool HasMember(ReadOnlySpan<byte> line, ReadOnlySpan<byte> member, ReadOnlySpan<byte> value)
    {
        var at = line.IndexOf(member);
        if (at < 0) return false;
        var rest = line[(at + member.Length)..].TrimStart(" :\t"u8);
        return rest.Length > value.Length + 1 && rest[0] == '"' && rest[1..].StartsWith(value) && rest[value.Length + 1] == '"';
    }

    private static void CloseAll(List<int> descriptors)
    {
        foreach (var descriptor in descriptors) _ = Libc.Close(descriptor);
        descriptors.Clear();
    }
}
