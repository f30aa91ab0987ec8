using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>
/// A nameless file QEMU writes a background snapshot into, read behind its back. The snapshot depends on no living receiver that way: one that died or
/// stalled would freeze the guest's CPUs for ever. What was read is given back to the file system.
/// </summary>
internal sealed class FileSource : IStreamSource
{
    private const int GiveBackStep = 64 << 20;
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(2);

    private readonly SafeFileHandle _file;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _closing = new();
    private volatile bool _finished;
    private long _position;
    private long _givenBack;

    private FileSource(SafeFileHandle file, TimeProvider time)
    {
        _file = file;
        _time = time;
    }

    /// <summary>The file, to be passed to QEMU.</summary>
    public SafeFileHandle File => _file;

    /// <summary>Creates the file.</summary>
    /// <param name="directory">Where; must have room for all the guest's memory.</param>
    /// <param name="room">Octets the snapshot may need.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="SnapshotException">There is no room. A snapshot that meets a full disk would leave the guest frozen.</exception>
    public static FileSource Create(string directory, long room, TimeProvider time)
    {
        var free = new DriveInfo(directory).AvailableFreeSpace;
        if (free < room)
            throw new SnapshotException(
                ErrorCode.NoSpace,
                $"a background snapshot needs up to {room >> 20} MiB in '{directory}', {free >> 20} MiB are free",
                "set TMPDIR to a directory with room, or take it with --strategy precopy or stop")
            {
                IsPreflight = true,
            };
        var path = Path.Combine(directory, Path.GetRandomFileName());
        var file = System.IO.File.OpenHandle(path, FileMode.CreateNew, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
        System.IO.File.Delete(path);
        return new FileSource(file, time);
    }

    /// <inheritdoc/>
    public async Task<int> ReadAsync(Memory<byte> buffer)
    {
        while (true)
        {
            // Looked at before the read: what was written until then is seen by it.
            var finished = _finished;
            var length = RandomAccess.Read(_file, buffer.Span, _position);
            if (length > 0)
            {
                _position += length;
                GiveBack();
                return length;
            }
            if (finished) return 0;
            await Task.Delay(Poll, _time, _closing.Token);
        }
    }

    /// <inheritdoc/>
    public void Finish() => _finished = true;

    public void Dispose()
    {
        _closing.Cancel();
        _file.Dispose();
        _closing.Dispose();
    }

    private void GiveBack()
    {
        var end = _position & -GiveBackStep;
        if (end == _givenBack) return;
        // A file system that cannot punch holes keeps the octets until the file is closed; nothing else depends on it.
        _ = Libc.Allocate(_file, Libc.PunchHole | Libc.KeepSize, _givenBack, end - _givenBack);
        _givenBack = end;
    }
}
