using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Cutpoint.Repository;

/// <summary>
/// A file that is only appended to, written by a thread of its own in large blocks, past the page cache where the file system allows that: what is written
/// is hardly read again soon, to copy it into the cache costs more than to compress it, and the cache would take its memory from the guests of this host.
/// <code>
/// Append ─▶ buffer ─ full ─▶ waiting ─▶ thread ─▶ file
///             └── the end that fills no block is written through the cache by a flush
/// </code>
/// One caller at a time, which waits when the disk is slower than it is. What the thread fails of is thrown by the next call.
/// </summary>
internal sealed class AppendFile : IDisposable
{
    /// <summary>What direct writes begin and end at; no file system in use asks for more.</summary>
    private const int BlockLength = 4096;

    private const int BufferLength = 2 << 20;

    /// <summary>
    /// Buffers that may wait for the thread, besides the one that is written and the one that is filled. The first write to a pack takes as long as the flush of
    /// the pack before it, 20 to 40 ms, in which a fast codec fills this many; they come into use only then.
    /// </summary>
    private const int Waiting = 6;

    private static readonly NativeBufferPool Buffers = new(BufferLength, Waiting + 2);

    private readonly FileStream _file;
    private readonly bool _isDirect;
    private readonly BlockingCollection<Action> _work = new(Waiting);
    private readonly Task _thread;
    private NativeBuffer _buffer = Buffers.Rent();
    private long _start;
    private int _used;
    private bool _isNameDurable;
    private volatile Exception? _fault;

    /// <summary>Takes a file over.</summary>
    /// <param name="file">The file, not buffered; owned from here on. What it holds stays.</param>
    public AppendFile(FileStream file)
    {
        _file = file;
        var length = RandomAccess.GetLength(file.SafeFileHandle);
        _start = length / BlockLength * BlockLength;
        try
        {
            // Before the cache is left out: such reads would have to fit blocks too.
            while (_start + _used < length)
            {
                var read = RandomAccess.Read(file.SafeFileHandle, _buffer.Span[_used..(int)(length - _start)], _start + _used);
                if (read == 0) throw new EndOfStreamException($"{file.Name} was cut short while it was opened");
                _used += read;
            }
            _isDirect = PosixFile.TryBypassCache(file.SafeFileHandle, isBypassed: true);
        }
        catch
        {
            _buffer.Dispose();
            file.Dispose();
            throw;
        }
        _thread = Task.Factory.StartNew(Run, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Absolute path.</summary>
    public string Path => _file.Name;

    /// <summary>Octets of the file with those that are still in a buffer.</summary>
    public long Length => _start + _used;

    /// <summary>Appends octets; they are in the file after a later <see cref="WriteAsync"/>. A process that dies before it loses at most what the buffers hold.</summary>
    /// <exception cref="SnapshotException">An earlier write failed.</exception>
    public void Append(ReadOnlySpan<byte> octets)
    {
        ThrowFault();
        while (octets.Length > 0)
        {
            var part = Math.Min(octets.Length, BufferLength - _used);
            octets[..part].CopyTo(_buffer.Span[_used..]);
            _used += part;
            octets = octets[part..];
            if (_used < BufferLength) continue;
            var (full, offset) = (_buffer, _start);
            _buffer = Buffers.Rent();
            _start += BufferLength;
            _used = 0;
            _work.Add(() =>
            {
                using (full) Try(() => Write(full.Span, offset), "write", BufferLength);
            });
        }
    }

    /// <summary>
    /// Brings everything appended so far into the file, and onto the disk too, with the file's name, when that is asked for. Nothing may be appended before this has ended.
    /// Ends on the thread that writes, so that nobody who waits for it needs another one.
    /// </summary>
    /// <exception cref="SnapshotException">This or an earlier write failed.</exception>
    public Task WriteAsync(bool isDurable)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _work.Add(() =>
        {
            Try(WriteEnd, "write", _used);
            if (isDurable) Try(Flush, "flush", 0);
            if (_fault is { } fault) done.SetException(fault);
            else done.SetResult();
        });
        return done.Task;
    }

    /// <summary>
    /// Begins to bring onto the disk what has left the buffers so far, unless the disk is so far behind that it would have to be waited for. Appending goes on;
    /// what it fails of is thrown by the next call.
    /// </summary>
    public void BeginFlush() => _ = _work.TryAdd(() => Try(Flush, "flush", 0));

    /// <summary>Closes the file once everything is in it and on the disk. Nothing may be appended any more.</summary>
    /// <inheritdoc cref="WriteAsync"/>
    public Task CloseAsync()
    {
        var written = WriteAsync(isDurable: true);
        _work.CompleteAdding();
        return written;
    }

    /// <summary>Closes the file. What was appended after the last <see cref="WriteAsync"/> may be missing in it.</summary>
    public void Dispose()
    {
        _work.CompleteAdding();
        _thread.Wait();
    }

    private void Run()
    {
        using (_file)
        {
            foreach (var work in _work.GetConsumingEnumerable()) work();
            _buffer.Dispose();
        }
    }

    /// <summary>Does a part of the work, unless one before it has failed. The next call of the owner tells what failed.</summary>
    private void Try(Action work, string action, long needed)
    {
        if (_fault is not null) return;
        try
        {
            work();
        }
        catch (Exception error)
        {
            _fault = StorageError.IsStorage(error) ? StorageError.Translate(error, Path, action, needed) : error;
        }
    }

    private void WriteEnd()
    {
        var whole = _used / BlockLength * BlockLength;
        if (whole > 0) Write(_buffer.Span[..whole], _start);
        _buffer.Span[whole.._used].CopyTo(_buffer.Span);
        _start += whole;
        _used -= whole;
        if (_used == 0) return;
        // What fills no block cannot pass the cache by. To pad it would leave a file that is too long where the process dies before it is cut. It stays in the
        // buffer and is written once more, with what comes next.
        if (_isDirect) PosixFile.TryBypassCache(_file.SafeFileHandle, isBypassed: false);
        Write(_buffer.Span[.._used], _start);
        if (_isDirect) PosixFile.TryBypassCache(_file.SafeFileHandle, isBypassed: true);
    }

    private void Write(ReadOnlySpan<byte> octets, long offset)
    {
        RandomAccess.Write(_file.SafeFileHandle, octets, offset);
        // So that the flush has little left to wait for.
        if (!_isDirect) PosixFile.StartWritingBack(_file.SafeFileHandle, offset, octets.Length);
    }

    private void Flush()
    {
        PosixFile.FlushData(_file.SafeFileHandle, Path);
        if (_isNameDurable) return;
        PosixFile.FlushDirectory(System.IO.Path.GetDirectoryName(Path)!);
        _isNameDurable = true;
    }

    private void ThrowFault()
    {
        if (_fault is { } fault) ExceptionDispatchInfo.Throw(fault);
    }
}
