namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Takes a QEMU migration stream apart as it comes in, in bounded memory: pages go to the visitor one by one without a copy, devices are
/// held back until the
/// description at the very end says where each of them ends. Reads streams of QEMU 7.2 to 10.x of a PC (QEMU migration stream, sections 1
/// to 7).
/// </summary>
/// <remarks>
/// Feed it with <see cref="Consume"/> in pieces of any size and close with <see cref="Complete"/>. One thread at a time. After an
/// exception the parser is unusable.
/// The stream carries no checksum: structure is checked, contents cannot be.
/// </remarks>
public sealed class QemuStreamParser
{
    /// <summary>Octets of a page where the stream does not say otherwise.</summary>
    public const int DefaultPageSize = 4096;

    /// <summary>Default of <see cref="QemuStreamOptions.DeviceStateLimit"/>.</summary>
    public const int DefaultDeviceStateLimit = 64 << 20;

    /// <summary>Creates a parser at the start of a stream.</summary>
    public QemuStreamParser(IQemuStreamVisitor visitor, QemuStreamOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        _ = options;
    }

    /// <summary>Octets consumed so far.</summary>
    public long Position { get; private set; }

    /// <summary>
    /// Octets from <see cref="Position"/> on that carry nothing (padding and absent pages of a mapped-ram file). A caller with a seekable
    /// source may leave out up to that
    /// many with <see cref="Skip"/> instead of reading them.
    /// </summary>
    public long Skippable { get; private set; }

    /// <summary>
    /// Takes the next octets of the stream, calling the visitor for everything complete in them. A record cut at the end of
    /// <paramref name="data"/> is kept inside.
    /// </summary>
    /// <param name="data">The next octets; not kept after the call.</param>
    /// <returns>Octets taken: all, unless the visitor called <see cref="Pause"/>; the caller then passes the rest again.</returns>
    /// <exception cref="MalformedInputException">The stream is damaged.</exception>
    /// <exception cref="SnapshotException">The stream uses something that cannot be captured, such as postcopy
    /// (<see cref="ErrorCode.Incompatible"/>).</exception>
    public int Consume(ReadOnlySpan<byte> data) => throw new NotSupportedException();

    /// <summary>Makes the running <see cref="Consume"/> return after the current event: for a visitor whose own buffer is full.</summary>
    public void Pause() => throw new NotSupportedException();

    /// <summary>Tells the parser that the caller passed over octets of the stream.</summary>
    /// <param name="count">At most <see cref="Skippable"/>.</param>
    public void Skip(long count) => throw new NotSupportedException();

    /// <summary>The stream has ended: cuts and checks the devices.</summary>
    /// <exception cref="MalformedInputException">The stream is cut short or its device part is damaged.</exception>
    public QemuDevicePart Complete() => throw new NotSupportedException();

    /// <summary>Parses a whole stream, passing over holes of mapped-ram files when it is seekable.</summary>
    /// <param name="input">Read from its present position to its end; not closed.</param>
    /// <param name="visitor">Receives the memory.</param>
    /// <param name="options">See <see cref="QemuStreamOptions"/>.</param>
    /// <param name="cancellation">Cancels between two reads.</param>
    public static Task<QemuDevicePart> ParseAsync(
        Stream input, IQemuStreamVisitor visitor, QemuStreamOptions? options = null, CancellationToken cancellation = default) =>
        throw new NotSupportedException();
}
