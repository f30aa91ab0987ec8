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
internal sealed class SealedCatalogFile(string path, DataKey key) : IDisposable
{
    public const string Name = "catalog.sealed";

    private const int SaltLength = 16;
    private const int NonceLength = 12;
    private const int TagLength = 16;
    private const int FrameLength = 2 * sizeof(uint);
    private const int MinReplaced = 256 << 10;
    private static readonly TimeSpan LockLimit = TimeSpan.FromSeconds(30);

    private byte[] _salt = [];
    private AesGcm? _cipher;
    private long _end;
    private long _imageEnd;
    private long _next;

    private static ReadOnlySpan<byte> Magic => "cutpoint catalog"u8;

    /// <summary>True when the changes have become longer than the image.</summary>
    public bool IsLong => _end - _imageEnd > Math.Max(MinReplaced, _imageEnd);

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

    /// <summary>What has been written since the last call.</summary>
    /// <param name="isReplaced">True when the first of it is a new image.</param>
    public List<byte[]> ReadNew(out bool isReplaced)
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

    /// <summary>Appends a change. The caller has the lock, and has read all there is.</summary>
    public void Append(ReadOnlySpan<byte> change, bool isDurable)
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

    /// <summary>Puts a new file into the place of the old one, or makes the first. The caller has the lock.</summary>
    public void Replace(ReadOnlySpan<byte> image)
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

    /// <summary>Makes the next read begin with the image.</summary>
    public void Forget() => _salt = [];

    public void Dispose() => _cipher?.Dispose();

    private void Begin(ReadOnlySpan<byte> salt)
    {
        _salt = salt.ToArray();
        _cipher?.Dispose();
        _cipher = new AesGcm(key.Derive("catalog", _salt), TagLength);
        _end = Magic.Length + SaltLength;
        _imageEnd = 0;
        _next = 0;
    }

    private byte[] Seal(ReadOnlySpan<byte> plain)
    {
        var record = new byte[FrameLength + NonceLength + plain.Length + TagLength];
        BinaryPrimitives.WriteUInt32BigEndian(record, (uint)(record.Length - FrameLength));
        BinaryPrimitives.WriteUInt32BigEndian(record.AsSpan(sizeof(uint)), ~(uint)(record.Length - FrameLength));
        var nonce = record.AsSpan(FrameLength, NonceLength);
        // Random, since a torn record may be followed by another one of its number.
        RandomNumberGenerator.Fill(nonce);
        _cipher!.Encrypt(nonce, plain, record.AsSpan(FrameLength + NonceLength, plain.Length), record.AsSpan(record.Length - TagLength), Number(stackalloc byte[sizeof(long)]));
        return record;
    }

    /// <summary>The next record, or null when it is torn: nothing that was ever told to be written is lost with it.</summary>
    private byte[]? TryRead(SafeFileHandle file, long length)
    {
        Span<byte> frame = stackalloc byte[FrameLength];
        if (RandomAccess.Read(file, frame, _end) < frame.Length) return null;
        var size = BinaryPrimitives.ReadUInt32BigEndian(frame);
        if (size != ~BinaryPrimitives.ReadUInt32BigEndian(frame[sizeof(uint)..]) || size < NonceLength + TagLength || size > Array.MaxLength)
            return IsZero(file, _end + FrameLength, length) ? null : throw Damaged($"no record starts at {_end}");
        var end = _end + FrameLength + size;
        if (end > length) return null;
        var record = new byte[(int)size];
        if (RandomAccess.Read(file, record, _end + FrameLength) < record.Length) return null;
        var plain = new byte[record.Length - NonceLength - TagLength];
        try
        {
            _cipher!.Decrypt(
                record.AsSpan(0, NonceLength), record.AsSpan(NonceLength, plain.Length), record.AsSpan(record.Length - TagLength), plain, Number(stackalloc byte[sizeof(long)]));
        }
        catch (AuthenticationTagMismatchException)
        {
            return _next > 0 && IsZero(file, end, length) ? null : throw Damaged($"record {_next} does not open");
        }
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

    private SnapshotException Damaged(string reason) =>
        new(ErrorCode.VerificationFailed, $"the catalog {path} is damaged: {reason}", "rebuild it from the packs with 'cutpoint repair'");
}
