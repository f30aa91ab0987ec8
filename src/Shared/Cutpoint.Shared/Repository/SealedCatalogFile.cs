using System.Buffers.Binary;
using System.Diagnostics;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Repository;

/// <summary>
/// The file of an encrypted catalog: an image of the database, and behind it every change since, in order, each a record of its own. What was begun and not
/// finished when a process died is a torn record at the end, which the next writer cuts; a file that has grown too long is replaced by a new image. One
/// caller at a time; other processes may append to it meanwhile, those that write take the lock first.
/// <code>
/// file   = "cutpoint catalog", salt (16), image, *change
/// image, change = length (4), its complement (4), nonce (12, random), encrypted octets, tag (16)      ; length: of all behind the complement
/// </code>
/// The key is derived from the data key under the file's salt; the number of the record is associated data.
/// </summary>
internal sealed class SealedCatalogFile(string path, DataKey key) : SealedStore
{
    public const string FileName = "catalog.sealed";

    private const int SaltLength = 16;
    private const int FrameLength = 2 * sizeof(uint);
    private static readonly TimeSpan LockLimit = TimeSpan.FromSeconds(30);

    private byte[] _salt = [];
    private RecordCipher? _cipher;
    private long _end;
    private long _imageEnd;
    private long _next;

    private static ReadOnlySpan<byte> Magic => "cutpoint catalog"u8;

    public override string Name => $"the catalog {path}";

    protected override long ImageLength => _imageEnd;

    protected override long ChangesLength => _end - _imageEnd;

    /// <summary>Waits for its turn to write.</summary>
    /// <exception cref="SnapshotException">It did not come (<see cref="ErrorCode.Locked"/>).</exception>
    public FileStream Lock()
    {
        var file = Path.Combine(Path.GetDirectoryName(path)!, "catalog.lock");
        var since = Stopwatch.GetTimestamp();
        while (true)
        {
            try
            {
                return new FileStream(file, new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate, Access = FileAccess.ReadWrite, Share = FileShare.None, UnixCreateMode = PosixFile.FileMode, BufferSize = 0,
                });
            }
            catch (Exception error) when (StorageError.IsStorage(error) && !StorageError.IsInUse(error))
            {
                throw StorageError.Translate(error, file, "lock");
            }
            catch (IOException error)
            {
                if (Stopwatch.GetElapsedTime(since) > LockLimit)
                {
                    throw new SnapshotException(
                        ErrorCode.Locked, $"the catalog {path} was busy for {LockLimit.TotalSeconds} seconds", "try again when other jobs have ended", error)
                    {
                        IsTransient = true,
                    };
                }
                // Held for a few milliseconds each time.
                Thread.Sleep(1);
            }
        }
    }

    public override T InTurn<T>(Func<T> work)
    {
        using (Lock()) return work();
    }

    public override List<byte[]> ReadNew(out bool isReplaced)
    {
        var records = new List<byte[]>();
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            Span<byte> start = stackalloc byte[Magic.Length + SaltLength];
            if (RandomAccess.Read(file, start, 0) < start.Length || !start.StartsWith(Magic)) throw Damaged("it does not begin as one");
            isReplaced = !start[Magic.Length..].SequenceEqual(_salt);
            if (isReplaced) Begin(start[Magic.Length..]);
            var length = RandomAccess.GetLength(file);
            if (length < _end) throw Damaged("it has become shorter");
            while (_end < length && TryRead(file, length) is { } record) records.Add(record);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw error is FileNotFoundException or DirectoryNotFoundException ? Missing(error) : StorageError.Translate(error, path, "read");
        }
        if (isReplaced && records.Count == 0) throw Damaged("its image is torn");
        return records;
    }

    public override void Append(ReadOnlySpan<byte> change, bool isDurable)
    {
        try
        {
            using var file = File.OpenHandle(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            if (RandomAccess.GetLength(file) > _end) RandomAccess.SetLength(file, _end);
            var record = Seal(change);
            RandomAccess.Write(file, record, _end);
            if (isDurable) PosixFile.FlushData(file, path);
            _end += record.Length;
            _next++;
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, path, "write", change.Length);
        }
    }

    public override void Replace(ReadOnlySpan<byte> image)
    {
        try
        {
            Begin(RandomNumberGenerator.GetBytes(SaltLength));
            var record = Seal(image);
            PosixFile.WriteAtomically(path, [.. Magic, .. _salt, .. record]);
            _end += record.Length;
            _imageEnd = _end;
            _next = 1;
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            Forget();
            throw StorageError.Translate(error, path, "write", image.Length);
        }
    }

    public override void Forget() => _salt = [];

    public override void Dispose() => _cipher?.Dispose();

    private void Begin(ReadOnlySpan<byte> salt)
    {
        _salt = salt.ToArray();
        _cipher?.Dispose();
        _cipher = new RecordCipher(key.Derive("catalog", _salt));
        _end = Magic.Length + SaltLength;
        _imageEnd = 0;
        _next = 0;
    }

    private byte[] Seal(ReadOnlySpan<byte> plain)
    {
        var record = new byte[FrameLength + RecordCipher.Overhead + plain.Length];
        BinaryPrimitives.WriteUInt32BigEndian(record, (uint)(record.Length - FrameLength));
        BinaryPrimitives.WriteUInt32BigEndian(record.AsSpan(sizeof(uint)), ~(uint)(record.Length - FrameLength));
        _cipher!.Seal(plain, Number(stackalloc byte[sizeof(long)]), record.AsSpan(FrameLength));
        return record;
    }

    /// <summary>The next record, or null when it is torn: nothing that was ever told to be written is lost with it.</summary>
    private byte[]? TryRead(SafeFileHandle file, long length)
    {
        Span<byte> frame = stackalloc byte[FrameLength];
        if (RandomAccess.Read(file, frame, _end) < frame.Length) return null;
        var size = BinaryPrimitives.ReadUInt32BigEndian(frame);
        if (size != ~BinaryPrimitives.ReadUInt32BigEndian(frame[sizeof(uint)..]) || size < RecordCipher.Overhead || size > Array.MaxLength)
            return IsZero(file, _end + FrameLength, length) ? null : throw Damaged($"no record starts at {_end}");
        var end = _end + FrameLength + size;
        if (end > length) return null;
        var record = new byte[(int)size];
        if (RandomAccess.Read(file, record, _end + FrameLength) < record.Length) return null;
        if (_cipher!.Open(record, Number(stackalloc byte[sizeof(long)])) is not { } plain)
            return _next > 0 && IsZero(file, end, length) ? null : throw Damaged($"record {_next} does not open");
        _end = end;
        if (_next++ == 0) _imageEnd = _end;
        return plain;
    }

    /// <summary>True when a power cut left nothing but the length of what was to be written.</summary>
    private static bool IsZero(SafeFileHandle file, long start, long length)
    {
        var octets = new byte[64 << 10];
        for (var at = start; at < length; at += octets.Length)
        {
            var count = RandomAccess.Read(file, octets, at);
            if (octets.AsSpan(0, count).ContainsAnyExcept((byte)0)) return false;
        }
        return true;
    }

    private Span<byte> Number(Span<byte> octets)
    {
        BinaryPrimitives.WriteInt64BigEndian(octets, _next);
        return octets;
    }

    private SnapshotException Missing(Exception inner) =>
        new(ErrorCode.VerificationFailed, $"the catalog {path} is missing", "rebuild it from the packs with 'cutpoint repair'", inner);
}
