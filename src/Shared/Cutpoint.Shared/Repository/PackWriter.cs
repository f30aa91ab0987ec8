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
    private readonly List<PackEntry> _entries = [];
    private long _writtenBack;
    private bool _isNameDurable;

    private PackWriter(PackId id, FileStream file)
    {
        Id = id;
        _file = file;
    }

    public string Path => _file.Name;

    public PackId Id { get; }

    /// <summary>Octets appended so far.</summary>
    public long Length { get; private set; }

    /// <summary>What a catalog wants to know of, in order.</summary>
    public IReadOnlyList<PackEntry> Entries => _entries;

    private SafeFileHandle Handle => _file.SafeFileHandle;

    public static PackWriter Create(string directory, PackHeader header)
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
        var writer = new PackWriter(header.Pack, file);
        try
        {
            writer.Append(header.Write());
            return writer;
        }
        catch
        {
            writer.Dispose();
            throw;
        }
    }

    /// <summary>Opens the pack of an interrupted job, and cuts what follows its last good value.</summary>
    public static PackWriter Reopen(string directory, RecoveredPack pack)
    {
        var path = System.IO.Path.Combine(directory, pack.Id.FileName);
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            var writer = new PackWriter(pack.Id, file) { Length = pack.GoodLength };
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
        var entry = new PackEntry(tag, digest, Append(value), value.Length);
        _entries.Add(entry);
        return entry;
    }

    /// <summary>Appends the index: the pack is finished, though not yet durable.</summary>
    public void Finish() => Append(PackIndex.Write(_entries));

    private long Append(ReadOnlySpan<byte> value)
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
        return offset;
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

    public void Dispose() => _file.Dispose();
}
