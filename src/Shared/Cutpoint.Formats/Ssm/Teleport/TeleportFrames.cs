using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>
/// Frames a saved state travels in: saved state format, section F.3. Magic and size, 4 octets each and little endian, then the payload; a size of 0 ends
/// the stream, one of all ones says that it was cancelled. Frames and the stream inside know nothing of each other.
/// </summary>
internal static class TeleportFrames
{
    public const int HeaderSize = 8;
    public const int MaxPayload = 0x00FFFFF8;
    public const uint End = 0;
    public const uint Cancelled = uint.MaxValue;

    private const uint Magic = 0x19471205;

    public static void Write(Span<byte> header, uint size)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(header, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(header[4..], size);
    }

    /// <summary>The size a header tells.</summary>
    /// <exception cref="SavedStateException">It is no header.</exception>
    public static uint Read(ReadOnlySpan<byte> header, long offset)
    {
        var size = BinaryPrimitives.ReadUInt32LittleEndian(header[4..]);
        if (BinaryPrimitives.ReadUInt32LittleEndian(header) != Magic) throw new SavedStateException(SavedStateStatus.InputOutputFailure, offset, "no frame begins here");
        return size is <= MaxPayload or Cancelled ? size : throw new SavedStateException(SavedStateStatus.InputOutputFailure, offset + 4, $"a frame of {size} octets");
    }
}
