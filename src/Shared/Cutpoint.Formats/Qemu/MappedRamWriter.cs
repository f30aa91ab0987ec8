using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Writes a mapped-ram file (QEMU 9.0 and newer): every page at its fixed place, zero pages as holes. QEMU migration stream, section 6.
/// The calls are those of
/// <see cref="QemuStreamWriter"/>; the file must be new and seekable. One thread at a time.
/// </summary>
public sealed class MappedRamWriter
{
    /// <summary>Creates a writer.</summary>
    /// <param name="file">A new, empty, seekable file open for writing; not closed.</param>
    public MappedRamWriter(SafeFileHandle file) => ArgumentNullException.ThrowIfNull(file);

    /// <summary>Writes header, configuration, early devices and the block list; turns <see cref="QemuCapability.MappedRam"/> on.</summary>
    public void Begin(
        QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks,
        IEnumerable<DeviceSection>? earlyDevices = null) =>
        throw new NotSupportedException();

    /// <summary>Writes one or several neighbouring pages. Pages never written are zero.</summary>
    public void WritePages(int block, long offset, ReadOnlySpan<byte> pages) => throw new NotSupportedException();

    /// <summary>Writes the bitmaps and closes the memory.</summary>
    public void EndMemory() => throw new NotSupportedException();

    /// <summary>Writes a device.</summary>
    public void WriteDevice(DeviceSection device) => throw new NotSupportedException();

    /// <summary>Writes the end mark and the description of the devices written.</summary>
    public void Complete() => throw new NotSupportedException();
}
