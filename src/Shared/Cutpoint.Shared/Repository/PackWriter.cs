using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>Appends values to a pack of its own. One caller at a time.</summary>
internal sealed class PackWriter : IDisposable
{
    private readonly AppendFile _file;
    private readonly PackProtection? _protection;
    private readonly PackCipher? _cipher;
    private readonly List<PackEntry> _entries = [];
    private bool _isBroken;

    private PackWriter(PackId id, FileStream file, PackProtection? protection)
    {
        Id = id;
        _file = new AppendFile(file);
        _protection = protection;
        _cipher = protection?.Create(id);
    }

    public string Path => _file.Path;

    public PackId Id { get; }

    /// <summary>Octets appended so far.</summary>
    public long Length => _file.Length;

    /// <summary>What a catalog wants to know of, in order.</summary>
    public IReadOnlyList<PackEntry> Entries => _entries;

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
        writer._file.Append(header.Write());
        return writer;
    }

    /// <summary>Opens the pack of an interrupted job, and cuts what follows its last good value.</summary>
    public static PackWriter Reopen(string directory, RecoveredPack pack, PackProtection? protection)
    {
        var path = System.IO.Path.Combine(directory, pack.Id.FileName);
        try
        {
            var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.Read, bufferSize: 0);
            if (pack.GoodLength < pack.Length) RandomAccess.SetLength(file.SafeFileHandle, pack.GoodLength);
            var writer = new PackWriter(pack.Id, file, protection);
            writer._entries.AddRange(pack.Entries);
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
            _file.Append(value);
            return;
        }
        // What was begun at this offset may be on the disk; nothing else is ever encrypted for the same place with the same key.
        if (_isBroken) throw new SnapshotException(ErrorCode.Failed, $"{Path} can no longer be written", "resume the job, or take the checkpoint again");
        _isBroken = true;
        using var buffer = value.Length <= SectionHead.MaxSectionLength ? _protection!.RentBuffer() : null;
        var room = buffer is null ? new byte[value.Length + SealedValue.MaxOverhead] : buffer.Span;
        _file.Append(room[..SealedValue.Write(_cipher, Length, value[..headLength], value[headLength..], room)]);
        _isBroken = false;
    }

    /// <summary>Ends when everything appended so far can be read from the file. Nothing may be appended before that.</summary>
    public Task WriteAsync() => _file.WriteAsync(isDurable: false);

    /// <summary>Ends when everything appended so far is durable, and the pack's name too. Nothing may be appended before that.</summary>
    public Task FlushAsync() => _file.WriteAsync(isDurable: true);

    /// <inheritdoc cref="AppendFile.BeginFlush"/>
    public void BeginFlush() => _file.BeginFlush();

    /// <summary>Closes the pack once it is durable.</summary>
    public Task CloseAsync()
    {
        _cipher?.Dispose();
        return _file.CloseAsync();
    }

    public void Dispose()
    {
        _file.Dispose();
        _cipher?.Dispose();
    }
}
