using Cutpoint.Formats.Ber;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Repository;

/// <summary>
/// Appends values to a pack of its own. Octets are handed to the system with every value and writeback is started early, so that the flush
/// that makes them durable has little left to wait for. One caller at a time.
/// </summary>
internal sealed class PackWriter : IDisposable
{
    /// <summary>Octets after which the system is asked to write what it has.</summary>
    private const int WritebackInterval = 8 << 20;

    private readonly FileStream _file;
    private readonly PackProtection? _protection;
    private readonly PackCipher? _cipher;
    private readonly List<PackEntry> _entries = [];
    private bool _isBroken;
    private long _writtenBack;
    private bool _isNameDurable;

    private PackWriter(PackId id, FileStream file, PackProtection? protection)
    {
        Id = id;
        _file = file;
        _protection = protection;
        _cipher = protection?.Create(id);
    }

    public string Path => _file.Name;

    public PackId Id { get; }

    /// <summary>Octets appended so far.</summary>
    public long Length { get; private set; }

    /// <summary>What a catalog wants to know of, in order.</summary>
    public IReadOnlyList<PackEntry> Entries => _entries;

    private SafeFileHandle Handle => _file.SafeFileHandle;

    public static PackWriter Create(string directory, PackHeader header, PackProtection? protection)
    {
        var path = System.IO.Path.Combine(directory, header.Pack.FileName);
        FileStream file;
        try
        {
            file = PosixFile.Create(path);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, path, "create");
        }
        var writer = new PackWriter(header.Pack, file, protection);
        try
        {
            writer.Write(header.Write());
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Opens the pack of an interrupted job, and cuts what follows its last good value.</summary>
    public static PackWriter Reopen(string directory, RecoveredPack pack, PackProtection? protection)
    {
        var path = System.IO.Path.Combine(directory, pack.Id.FileName);
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            var writer = new PackWriter(pack.Id, file, protection) { Length = pack.GoodLength };
            writer._entries.AddRange(pack.Entries);
            if (pack.GoodLength < pack.Length) RandomAccess.SetLength(writer.Handle, pack.GoodLength);
            return writer;
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, path, "open");
        }
    }

    /// <summary>Appends a value and lists it in the index.</summary>
    /// <param name="tag">The value's tag.</param>
    /// <param name="digest">A section's identity, or the digest of another value.</param>
    /// <param name="value">The value.</param>
    public PackEntry Append(BerTag tag, Digest digest, ReadOnlySpan<byte> value)
    {
        var offset = Length;
        Append(value, tag == PackFormat.SectionTag && _cipher is not null ? SectionHead.PayloadStart(value) : value.Length);
        var entry = new PackEntry(tag, digest, offset, (int)(Length - offset));
        _entries.Add(entry);
        return entry;
    }

    /// <summary>Appends the index: the pack is finished, though not yet durable.</summary>
    public void Finish()
    {
        var index = PackIndex.Write(_entries);
        Append(index, index.Length);
    }

    /// <summary>Appends a value, encrypted where the repository is.</summary>
    /// <param name="value">The value.</param>
    /// <param name="headLength">Octets of it that can be read without the rest.</param>
    private void Append(ReadOnlySpan<byte> value, int headLength)
    {
        if (_cipher is null)
        {
            Write(value);
            return;
        }
        // What was begun at this offset may be on the disk; nothing else is ever encrypted for the same place with the same key.
        if (_isBroken) throw new SnapshotException(ErrorCode.Failed, $"{Path} can no longer be written", "resume the job, or take the checkpoint again");
        _isBroken = true;
        using var buffer = value.Length <= SectionHead.MaxSectionLength ? _protection!.RentBuffer() : null;
        var room = buffer is null ? new byte[value.Length + SealedValue.MaxOverhead] : buffer.Span;
        Write(room[..SealedValue.Write(_cipher, Length, value[..headLength], value[headLength..], room)]);
        _isBroken = false;
    }

    private void Write(ReadOnlySpan<byte> value)
    {
        var offset = Length;
        try
        {
            RandomAccess.Write(Handle, value, offset);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, Path, "write", value.Length);
        }
        Length = offset + value.Length;
        if (Length - _writtenBack >= WritebackInterval)
        {
            PosixFile.StartWritingBack(Handle, _writtenBack, Length - _writtenBack);
            _writtenBack = Length;
        }
    }

    /// <summary>Returns when everything appended so far is durable, and the pack's name too.</summary>
    public void Flush()
    {
        try
        {
            PosixFile.FlushData(Handle, Path);
            if (_isNameDurable) return;
            PosixFile.FlushDirectory(System.IO.Path.GetDirectoryName(Path)!);
            _isNameDurable = true;
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, Path, "flush");
        }
    }

    public void Dispose()
    {
        _file.Dispose();
        _cipher?.Dispose();
    }
}
