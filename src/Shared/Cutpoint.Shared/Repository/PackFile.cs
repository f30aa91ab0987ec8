using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Repository;

/// <summary>Reads a pack with positioned reads. Safe for concurrent use.</summary>
internal sealed class PackFile : IDisposable
{
    /// <summary>Octets that hold any section as it is in a pack.</summary>
    public const int SectionBufferLength = SectionHead.MaxSectionLength + SealedValue.MaxOverhead;

    /// <summary>Octets that hold the head of any section as it is in a pack.</summary>
    public const int HeadBufferLength = SectionHead.MaxLength + SealedValue.MaxOverhead;

    private readonly SafeFileHandle _handle;
    private readonly PackProtection? _protection;
    private volatile PackCipher? _cipher;

    private PackFile(string path, PackId id, SafeFileHandle handle, PackProtection? protection)
    {
        Path = path;
        Id = id;
        _handle = handle;
        _protection = protection;
    }

    public string Path { get; }

    public PackId Id { get; }

    /// <summary>True when every value but the header is encrypted.</summary>
    public bool IsSealed => _protection is not null;

    public long Length
    {
        get
        {
            try
            {
                return RandomAccess.GetLength(_handle);
            }
            catch (Exception error) when (StorageError.IsStorage(error))
            {
                throw StorageError.Translate(error, Path, "read");
            }
        }
    }

    public static PackFile Open(string directory, PackId id, PackProtection? protection)
    {
        var path = System.IO.Path.Combine(directory, id.FileName);
        try
        {
            return new PackFile(path, id, File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete), protection);
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, path, "read");
        }
    }

    /// <summary>Fills a buffer from an offset on.</summary>
    /// <returns>Octets read: fewer than asked for at the end of the file.</returns>
    public int Read(Span<byte> destination, long offset)
    {
        var total = 0;
        try
        {
            while (total < destination.Length)
            {
                var count = RandomAccess.Read(_handle, destination[total..], offset + total);
                if (count == 0) break;
                total += count;
            }
        }
        catch (Exception error) when (StorageError.IsStorage(error))
        {
            throw StorageError.Translate(error, Path, "read");
        }
        return total;
    }

    /// <summary>Fills a buffer from an offset on, or throws.</summary>
    public void ReadExactly(Span<byte> destination, long offset)
    {
        var count = Read(destination, offset);
        if (count < destination.Length)
            throw PackFormat.Damaged(offset + count, $"the pack ends here, {destination.Length - count} octets too early");
    }

    /// <summary>The header of the value at an offset, or null at the end of the pack.</summary>
    /// <exception cref="MalformedInputException">No whole value of the pack's kinds is there.</exception>
    public BerHeader? ReadHeader(long offset, long length)
    {
        if (offset == length) return null;
        Span<byte> octets = stackalloc byte[BerHeader.MaxLength];
        octets = octets[..Read(octets, offset)];
        if (!BerHeader.TryRead(octets, out var header, offset)) throw PackFormat.Damaged(offset, "the pack ends inside a value");
        if (header.Tag.Class != BerTagClass.Application || !header.IsConstructed || header.IsIndefinite)
            throw PackFormat.Damaged(offset, $"{header.Tag} where a value of the pack is due");
        if (header.TotalLength > length - offset) throw PackFormat.Damaged(offset, "the pack ends inside a value");
        if (header.TotalLength > PackFormat.MaxValueLength) throw PackFormat.Damaged(offset, $"a value of {header.TotalLength} octets");
        return header;
    }

    /// <summary>Reads a value whole, in the clear. For those that are small or needed whole.</summary>
    public ReadOnlySpan<byte> ReadValue(long offset, long length)
    {
        if (length > PackFormat.MaxValueLength) throw PackFormat.Damaged(offset, $"a value of {length} octets");
        if (length > Length - offset) throw PackFormat.Damaged(offset, "the pack ends inside a value");
        return ReadValue(offset, GC.AllocateUninitializedArray<byte>((int)length));
    }

    /// <summary>Reads a value whole, in the clear.</summary>
    /// <param name="offset">Where it starts.</param>
    /// <param name="value">As long as the value; overwritten.</param>
    /// <returns>The value; a part of <paramref name="value"/>, shorter when it was encrypted.</returns>
    public ReadOnlySpan<byte> ReadValue(long offset, Span<byte> value)
    {
        ReadExactly(value, offset);
        if (!CheckSealed(value, offset)) return value;
        var parts = SealedValue.Parse(value, value.Length, offset);
        return parts.Open(CipherOf(value[parts.Salt]), offset, value);
    }

    /// <summary>Reads a section and its head.</summary>
    /// <param name="section">Where it is.</param>
    /// <param name="destination">At least <see cref="SectionBufferLength"/> octets.</param>
    /// <param name="value">The section's value: a part of the destination.</param>
    public SectionHead ReadSection(SectionRef section, Span<byte> destination, out ReadOnlySpan<byte> value)
    {
        CheckLength(section);
        value = ReadValue(section.Offset, destination[..section.Length]);
        return Checked(SectionHead.Read(value, value.Length, section.Offset), section);
    }

    /// <summary>Reads the head of a section only: masks and page hashes.</summary>
    /// <param name="section">Where it is.</param>
    /// <param name="destination">At least <see cref="HeadBufferLength"/> octets; the head is at its start.</param>
    public SectionHead ReadSectionHead(SectionRef section, Span<byte> destination)
    {
        CheckLength(section);
        if (section.Length > Length - section.Offset) throw PackFormat.Damaged(section.Offset, "the pack ends inside the section");
        var octets = destination[..Math.Min(section.Length, HeadBufferLength)];
        ReadExactly(octets, section.Offset);
        if (!CheckSealed(octets, section.Offset)) return Checked(SectionHead.Read(octets, section.Length, section.Offset), section);
        var parts = SealedValue.Parse(octets, section.Length, section.Offset);
        if (parts.Head.End.Value > octets.Length) throw PackFormat.Damaged(section.Offset, "no head of a section is that long");
        var head = parts.OpenHead(CipherOf(octets[parts.Salt]), section.Offset, octets);
        head.CopyTo(destination);
        return Checked(SectionHead.Read(destination[..head.Length], parts.PlainLength, section.Offset), section);
    }

    public void Dispose()
    {
        _handle.Dispose();
        _cipher?.Dispose();
    }

    private static void CheckLength(SectionRef section)
    {
        if (section.Length is <= 0 or > SectionBufferLength) throw PackFormat.Damaged(section.Offset, $"a section of {section.Length} octets");
    }

    /// <summary>True for a value that is encrypted. In an encrypted repository only headers are not: what else lies there in the clear was put there by somebody without the key.</summary>
    private bool CheckSealed(ReadOnlySpan<byte> value, long offset)
    {
        var tag = PackFormat.TagOf(value, offset);
        if (tag == PackFormat.SealedTag) return IsSealed ? true : throw PackFormat.Damaged(offset, "the value is encrypted, its repository is not");
        return !IsSealed || (offset == 0 && tag == PackFormat.HeaderTag) ? false : throw PackFormat.Damaged(offset, "the value is not encrypted, its repository is");
    }

    private PackCipher CipherOf(ReadOnlySpan<byte> salt)
    {
        // A pack has one writer, two when its first one died; whoever is given a cipher that another takes the place of goes on with it.
        if (_cipher is { } cipher && salt.SequenceEqual(cipher.Salt)) return cipher;
        return _cipher = _protection!.Open(Id, salt);
    }

    private static SectionHead Checked(SectionHead head, SectionRef section) =>
        head.Identity == section.Identity ? head : throw PackFormat.Damaged(section.Offset, "another section is stored here");
}
