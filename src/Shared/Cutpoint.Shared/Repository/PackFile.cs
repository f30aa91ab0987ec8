using Cutpoint.Formats;
using Cutpoint.Formats.Ber;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Repository;

/// <summary>Reads a pack with positioned reads. Safe for concurrent use.</summary>
internal sealed class PackFile : IDisposable
{
    private readonly SafeFileHandle _handle;

    private PackFile(string path, PackId id, SafeFileHandle handle)
    {
        Path = path;
        Id = id;
        _handle = handle;
    }

    public string Path { get; }

    public PackId Id { get; }

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

    public static PackFile Open(string directory, PackId id)
    {
        var path = System.IO.Path.Combine(directory, id.FileName);
        try
        {
            return new PackFile(path, id, File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete));
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

    /// <summary>Reads a value whole. For those that are small or needed whole.</summary>
    public byte[] ReadValue(long offset, long length)
    {
        if (length > PackFormat.MaxValueLength) throw PackFormat.Damaged(offset, $"a value of {length} octets");
        if (length > Length - offset) throw PackFormat.Damaged(offset, "the pack ends inside a value");
        var value = GC.AllocateUninitializedArray<byte>((int)length);
        ReadExactly(value, offset);
        return value;
    }

    /// <summary>Reads a section and its head.</summary>
    /// <param name="section">Where it is.</param>
    /// <param name="destination">At least <see cref="SectionHead.MaxSectionLength"/> octets.</param>
    /// <param name="value">The section's value: a part of the destination.</param>
    public SectionHead ReadSection(SectionRef section, Span<byte> destination, out ReadOnlySpan<byte> value)
    {
        if (section.Length is <= 0 or > SectionHead.MaxSectionLength)
            throw PackFormat.Damaged(section.Offset, $"a section of {section.Length} octets");
        var octets = destination[..section.Length];
        ReadExactly(octets, section.Offset);
        value = octets;
        return Checked(SectionHead.Read(octets, section.Length, section.Offset), section);
    }

    /// <summary>Reads the head of a section only: masks and page hashes.</summary>
    public SectionHead ReadSectionHead(SectionRef section, Span<byte> destination, out ReadOnlySpan<byte> value)
    {
        if (section.Length is <= 0 or > SectionHead.MaxSectionLength)
            throw PackFormat.Damaged(section.Offset, $"a section of {section.Length} octets");
        if (section.Length > Length - section.Offset) throw PackFormat.Damaged(section.Offset, "the pack ends inside the section");
        var octets = destination[..Math.Min(section.Length, SectionHead.MaxLength)];
        ReadExactly(octets, section.Offset);
        value = octets;
        return Checked(SectionHead.Read(octets, section.Length, section.Offset), section);
    }

    public void Dispose() => _handle.Dispose();

    private static SectionHead Checked(SectionHead head, SectionRef section) =>
        head.Identity == section.Identity ? head : throw PackFormat.Damaged(section.Offset, "another section is stored here");
}
