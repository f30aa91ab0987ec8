using System.Buffers.Binary;
using System.Text;

namespace Cutpoint.Formats.Qemu;

/// <summary>What a qcow2 image stands on, as its header says it; see docs/interop/qcow2.txt of QEMU.</summary>
/// <param name="Path">The path of the image below, as it is written there.</param>
/// <param name="Format">That image's format; null when the header leaves it to be guessed.</param>
public sealed record Qcow2Backing(string Path, string? Format)
{
    private const uint Magic = 0x514649FB;
    private const uint BackingFormat = 0xE2792ACA;
    private const int OldHeaderLength = 72;
    private const int LargestHead = 1 << 16;

    /// <summary>Reads it from the beginning of an image.</summary>
    /// <param name="image">The image; readable, at its beginning. Not closed.</param>
    /// <returns>Null when it is no qcow2 image, stands on nothing, or its header cannot be right.</returns>
    public static Qcow2Backing? Read(Stream image)
    {
        ArgumentNullException.ThrowIfNull(image);
        var buffer = new byte[LargestHead];
        var head = buffer.AsSpan(0, image.ReadAtLeast(buffer, LargestHead, throwOnEndOfStream: false));
        if (head.Length < OldHeaderLength || BinaryPrimitives.ReadUInt32BigEndian(head) != Magic) return null;
        var at = BinaryPrimitives.ReadUInt64BigEndian(head[8..]);
        var length = BinaryPrimitives.ReadUInt32BigEndian(head[16..]);
        if (at == 0 || length is 0 or > Qcow2Overlay.MaxBackingPath || at + length > (ulong)head.Length) return null;
        return new Qcow2Backing(Encoding.UTF8.GetString(head.Slice((int)at, (int)length)), FormatOf(head[..(int)at]));
    }

    private static string? FormatOf(ReadOnlySpan<byte> head)
    {
        const int Entry = 2 * sizeof(uint);
        var isOld = BinaryPrimitives.ReadUInt32BigEndian(head[4..]) < 3;
        if (!isOld && head.Length < OldHeaderLength + 32) return null;
        var at = isOld ? OldHeaderLength : BinaryPrimitives.ReadUInt32BigEndian(head[100..]);
        while (at + Entry <= head.Length)
        {
            var kind = BinaryPrimitives.ReadUInt32BigEndian(head[(int)at..]);
            var length = BinaryPrimitives.ReadUInt32BigEndian(head[((int)at + 4)..]);
            if (kind == 0 || length > head.Length - at - Entry) return null;
            if (kind == BackingFormat) return Encoding.UTF8.GetString(head.Slice((int)at + Entry, (int)length));
            at += Entry + ((length + 7) & ~7u);
        }
        return null;
    }
}
