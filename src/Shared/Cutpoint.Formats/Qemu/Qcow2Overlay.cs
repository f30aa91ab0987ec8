using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Writes an empty qcow2 image that stands on another image: what is never written to it is read from there. Version 3, as docs/interop/qcow2.txt of QEMU
/// tells it.
/// <code>
/// cluster 0      header, its extensions (format of the image below), path of the image below
/// cluster 1      reference count table: one entry
/// cluster 2      reference count block: one for each cluster of this file
/// cluster 3 ..   first-level table, all zero: nothing is mapped
/// </code>
/// </summary>
public static class Qcow2Overlay
{
    /// <summary>The longest path of the image below, in octets of UTF-8.</summary>
    public const int MaxBackingPath = 1023;

    /// <summary>The largest disk whose table the one reference count block still covers: 64 TiB.</summary>
    public const long MaxLength = 1L << 46;

    private const uint Magic = 0x514649FB;
    private const uint BackingFormat = 0xE2792ACA;
    private const int Version = 3;
    private const int HeaderLength = 104;
    private const int ClusterBits = 16;
    private const int Cluster = 1 << ClusterBits;
    private const int ReferenceCountOrder = 4;
    private const long DiskOfEntry = (long)Cluster * (Cluster / sizeof(ulong));
    private const int FirstTable = 3;

    /// <summary>Writes the image.</summary>
    /// <param name="output">A new, empty file; seekable. Not closed.</param>
    /// <param name="length">Length of the disk in octets, as that of the image below.</param>
    /// <param name="backing">Absolute path of the image below.</param>
    /// <param name="format">Its format, such as "raw" or "qcow2".</param>
    /// <exception cref="ArgumentException">The disk or the path is too long, or the path is not absolute.</exception>
    public static void Write(Stream output, long length, string backing, string format)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentException.ThrowIfNullOrEmpty(format);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxLength);
        // A relative path would be taken from the overlay's directory, and one with a colon in front of its first slash for a protocol.
        if (!Path.IsPathRooted(backing)) throw new ArgumentException($"'{backing}' is not an absolute path", nameof(backing));
        var path = Encoding.UTF8.GetBytes(backing);
        if (path.Length > MaxBackingPath) throw new ArgumentException($"'{backing}' has more than {MaxBackingPath} octets", nameof(backing));
        var entries = (length + DiskOfEntry - 1) / DiskOfEntry;
        var tables = Math.Max(1, (entries * sizeof(ulong) + Cluster - 1) / Cluster);

        var head = new byte[FirstTable * Cluster];
        WriteHeader(head, length, (uint)entries, path, Encoding.UTF8.GetBytes(format));
        BinaryPrimitives.WriteUInt64BigEndian(head.AsSpan(Cluster), 2 * Cluster);
        for (var cluster = 0; cluster < FirstTable + tables; cluster++)
            BinaryPrimitives.WriteUInt16BigEndian(head.AsSpan((2 * Cluster) + (cluster * sizeof(ushort))), 1);
        output.Write(head);
        output.SetLength((FirstTable + tables) * Cluster);
    }

    private static void WriteHeader(Span<byte> head, long length, uint entries, byte[] path, byte[] format)
    {
        const int Extension = 2 * sizeof(uint);
        var padded = (format.Length + 7) & ~7;
        var pathAt = HeaderLength + Extension + padded + Extension;
        BinaryPrimitives.WriteUInt32BigEndian(head, Magic);
        BinaryPrimitives.WriteUInt32BigEndian(head[4..], Version);
        BinaryPrimitives.WriteUInt64BigEndian(head[8..], (ulong)pathAt);
        BinaryPrimitives.WriteUInt32BigEndian(head[16..], (uint)path.Length);
        BinaryPrimitives.WriteUInt32BigEndian(head[20..], ClusterBits);
        BinaryPrimitives.WriteInt64BigEndian(head[24..], length);
        BinaryPrimitives.WriteUInt32BigEndian(head[36..], entries);
        BinaryPrimitives.WriteUInt64BigEndian(head[40..], FirstTable * Cluster);
        BinaryPrimitives.WriteUInt64BigEndian(head[48..], Cluster);
        BinaryPrimitives.WriteUInt32BigEndian(head[56..], 1);
        BinaryPrimitives.WriteUInt32BigEndian(head[96..], ReferenceCountOrder);
        BinaryPrimitives.WriteUInt32BigEndian(head[100..], HeaderLength);
        BinaryPrimitives.WriteUInt32BigEndian(head[HeaderLength..], BackingFormat);
        BinaryPrimitives.WriteUInt32BigEndian(head[(HeaderLength + 4)..], (uint)format.Length);
        format.CopyTo(head[(HeaderLength + Extension)..]);
        path.CopyTo(head[pathAt..]);
    }
}
