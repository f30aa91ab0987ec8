using System.Buffers;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Writes a migration stream that any QEMU since 7.2 loads (QEMU migration stream, section 10). The calls follow the stream:
/// <see cref="Begin"/>, pages in any order,
/// <see cref="EndMemory"/>, devices, <see cref="Complete"/>. Nothing is held back but the devices' descriptions, so memory is bounded by
/// how often the caller flushes.
/// </summary>
/// <remarks>
/// What is sent follows from the configuration: with <see cref="QemuCapability.IgnoreShared"/> the block list carries addresses, and the
/// caller leaves out the pages of
/// shared blocks; the receiver must have the same capability on. Send every page of the other blocks, zero ones too. One thread at a time.
/// </remarks>
public sealed class QemuStreamWriter
{
    /// <summary>Creates a writer.</summary>
    /// <param name="output">Receives the stream. The caller flushes it; a page takes at most 4.4 KiB.</param>
    public QemuStreamWriter(IBufferWriter<byte> output) => ArgumentNullException.ThrowIfNull(output);

    /// <summary>Octets written so far.</summary>
    public long Position { get; private set; }

    /// <summary>Writes header, configuration, early devices and the block list.</summary>
    /// <param name="configuration">As captured, adapted with <see cref="QemuConfiguration.WithCapability"/>.</param>
    /// <param name="blocks">Exactly the blocks of the receiving machine.</param>
    /// <param name="earlyDevices">The sections marked <see cref="DeviceSection.IsEarly"/>.</param>
    public void Begin(
        QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks,
        IEnumerable<DeviceSection>? earlyDevices = null) =>
        throw new NotSupportedException();

    /// <summary>Writes a page.</summary>
    public void WritePage(int block, long offset, ReadOnlySpan<byte> page) => throw new NotSupportedException();

    /// <summary>Writes a page that is all zero, in 9 octets.</summary>
    public void WriteZeroPage(int block, long offset) => throw new NotSupportedException();

    /// <summary>Closes the memory.</summary>
    public void EndMemory() => throw new NotSupportedException();

    /// <summary>Writes a device.</summary>
    public void WriteDevice(DeviceSection device) => throw new NotSupportedException();

    /// <summary>Writes the end mark and the description of the devices written.</summary>
    public void Complete() => throw new NotSupportedException();
}
