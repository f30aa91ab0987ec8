using System.Runtime.InteropServices;

namespace Cutpoint.Formats.Kdump;

/// <summary>
/// Neighbouring pages of a kdump file, compressed: what one thread makes while others make theirs. Every page is compressed by itself, so the octets do not
/// depend on how pages are spread over threads. Reused after <see cref="Clear"/>; one user at a time.
/// </summary>
/// <param name="codec">The file's method.</param>
/// <param name="compression">Its number.</param>
/// <param name="blockSize">Octets of a page.</param>
/// <param name="capacity">The most pages it takes.</param>
public sealed unsafe class KdumpPages(IBlockCodec codec, KdumpCompression compression, int blockSize, int capacity) : IDisposable
{
    private readonly Entry[] _entries = new Entry[capacity];
    private byte* _octets = (byte*)NativeMemory.Alloc((nuint)capacity * (nuint)blockSize);

    /// <summary>How many there are.</summary>
    public int Count { get; private set; }

    /// <summary>Octets of the pages that are not zero, back to back.</summary>
    internal ReadOnlySpan<byte> Octets => new(_octets, Length);

    internal ReadOnlySpan<Entry> Entries => _entries.AsSpan(0, Count);

    internal KdumpCompression Compression => compression;

    private int Length { get; set; }

    /// <summary>Makes it empty.</summary>
    public void Clear() => (Count, Length) = (0, 0);

    /// <summary>Adds a page that is all zero.</summary>
    public void AddZero() => _entries[Count++] = default;

    /// <summary>Adds a page.</summary>
    /// <param name="page">Its octets; when they are all zero, the page becomes the one that zero pages share.</param>
    public void Add(ReadOnlySpan<byte> page)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(page.Length, blockSize);
        ObjectDisposedException.ThrowIf(_octets is null, this);
        // Most pages that are not zero differ in the first octets, so looking costs little.
        if (!page.ContainsAnyExcept((byte)0))
        {
            AddZero();
            return;
        }
        // Only what is shorter than the page is worth a decompression; a page that is not stays as it is.
        if (codec.TryCompress(page, new Span<byte>(_octets + Length, blockSize - 1), out var length))
        {
            _entries[Count++] = new Entry(length, true);
        }
        else
        {
            length = blockSize;
            page.CopyTo(new Span<byte>(_octets + Length, blockSize));
            _entries[Count++] = new Entry(length, false);
        }
        Length += length;
    }

    /// <summary>Frees the octets; so does the collector, later, of what nobody disposed of.</summary>
    public void Dispose()
    {
        NativeMemory.Free(_octets);
        _octets = null;
        GC.SuppressFinalize(this);
    }

    /// <summary>Frees the octets of an export that failed.</summary>
    ~KdumpPages() => NativeMemory.Free(_octets);

    /// <summary>A page; one of length 0 is zero.</summary>
    internal readonly record struct Entry(int Length, bool IsCompressed);
}
