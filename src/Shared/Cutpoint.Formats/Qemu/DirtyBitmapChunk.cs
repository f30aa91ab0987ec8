namespace Cutpoint.Formats.Qemu;

/// <summary>One chunk of a "dirty-bitmap" section: QEMU migration stream, section 3. Names left out on the wire are filled in.</summary>
public readonly ref struct DirtyBitmapChunk
{
    /// <summary>Alias of the block node.</summary>
    public required string Node { get; init; }

    /// <summary>Alias of the bitmap.</summary>
    public required string Bitmap { get; init; }

    /// <summary>Octets of disk for each bit, when the chunk starts a bitmap; else null.</summary>
    public uint? Granularity { get; init; }

    /// <summary>At the start of a bitmap: it records writes.</summary>
    public bool IsEnabled { get; init; }

    /// <summary>At the start of a bitmap: it is stored in the image.</summary>
    public bool IsPersistent { get; init; }

    /// <summary>The bitmap is complete.</summary>
    public bool IsComplete { get; init; }

    /// <summary>First sector of 512 octets the bits speak of.</summary>
    public ulong FirstSector { get; init; }

    /// <summary>Sectors the bits speak of; 0 when the chunk carries no bits.</summary>
    public uint SectorCount { get; init; }

    /// <summary>The serialised bits; empty when they are all zero.</summary>
    public ReadOnlySpan<byte> Bits { get; init; }
}
