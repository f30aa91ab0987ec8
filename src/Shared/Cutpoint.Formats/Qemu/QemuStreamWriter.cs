using System.Buffers;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Writes a migration stream that any QEMU since 7.2 loads (QEMU migration stream, section 10). The calls follow the stream:
/// <see cref="Begin"/>, pages in any
/// order, <see cref="EndMemory"/>, devices, <see cref="Complete"/>. Nothing is held back but the devices' descriptions, so memory is
/// bounded by how often the caller
/// flushes, and the output need not be seekable.
/// </summary>
/// <remarks>
/// What is sent follows from the configuration: with <see cref="QemuCapability.IgnoreShared"/> the block list carries addresses, and the
/// caller leaves out the pages of
/// shared blocks; the receiver must have the same capability on. Send every page of all other blocks: a receiver does not clear its ROMs.
/// One thread at a time.
/// </remarks>
public sealed class QemuStreamWriter
{
    private readonly WireWriter _wire;
    private IReadOnlyList<QemuRamBlock> _blocks = [];
    private Phase _phase;
    private int _block = -1;
    private int _pageSize;

    /// <summary>Creates a writer.</summary>
    /// <param name="output">Receives the stream. The caller flushes it; a page takes at most 4.4 KiB.</param>
    public QemuStreamWriter(IBufferWriter<byte> output)
    {
        ArgumentNullException.ThrowIfNull(output);
        _wire = new WireWriter(output);
    }

    private enum Phase
    {
        New,
        Memory,
        Devices,
        Complete,
    }

    /// <summary>Octets written so far.</summary>
    public long Position => _wire.Position;

    /// <summary>Writes header, configuration, the block list and early devices.</summary>
    /// <param name="configuration">As captured, adapted with <see cref="QemuConfiguration.WithCapability"/>.</param>
    /// <param name="blocks">Exactly the blocks of the receiving machine.</param>
    /// <param name="earlyDevices">The sections marked <see cref="DeviceSection.IsEarly"/>.</param>
    /// <exception cref="ArgumentException">mapped-ram is on, or a name or length cannot be written.</exception>
    public void Begin(
        QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks, IEnumerable<DeviceSection>? earlyDevices = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(blocks);
        if (configuration.IsMappedRam)
            throw new ArgumentException($"{QemuCapability.MappedRam} is written by {nameof(MappedRamWriter)}", nameof(configuration));
        Expect(Phase.New);
        DeviceSection[] early = [.. earlyDevices ?? []];
        _blocks = blocks;
        _pageSize = configuration.PageSize;
        _wire.Begin(configuration, blocks, early);
        foreach (var block in blocks) _wire.WriteBlock(block, configuration.IgnoresShared);
        _wire.EndPayload();
        foreach (var device in early) _wire.WriteDevice(device);
        _wire.BeginRound(QemuSectionKind.Part);
        _phase = Phase.Memory;
    }

    /// <summary>Writes a page.</summary>
    /// <param name="block">Number of the block in the list.</param>
    /// <param name="offset">Octets from the start of the block; a multiple of the page size.</param>
    /// <param name="page">One page.</param>
    public void WritePage(int block, long offset, ReadOnlySpan<byte> page)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(page.Length, _pageSize);
        WriteRecord(block, offset, QemuWire.RamFlag.Page);
        _wire.Write(page);
    }

    /// <summary>Writes a page that is all zero, in 9 octets.</summary>
    /// <param name="block">Number of the block in the list.</param>
    /// <param name="offset">Octets from the start of the block; a multiple of the page size.</param>
    public void WriteZeroPage(int block, long offset)
    {
        WriteRecord(block, offset, QemuWire.RamFlag.Zero);
        _wire.Write8(0);
    }

    /// <summary>Closes the memory.</summary>
    public void EndMemory()
    {
        Expect(Phase.Memory);
        _wire.EndPayload();
        _wire.BeginRound(QemuSectionKind.End);
        _wire.EndPayload();
        _phase = Phase.Devices;
    }

    /// <summary>Writes a device.</summary>
    public void WriteDevice(DeviceSection device)
    {
        ArgumentNullException.ThrowIfNull(device);
        Expect(Phase.Devices);
        _wire.WriteDevice(device);
    }

    /// <summary>Writes the end mark and, if every device written has a description, the description of all.</summary>
    public void Complete()
    {
        Expect(Phase.Devices);
        _wire.Complete();
        _phase = Phase.Complete;
    }

    private void WriteRecord(int block, long offset, ulong flags)
    {
        Expect(Phase.Memory);
        if (offset < 0 || offset >= _blocks[block].Length || offset % _pageSize != 0)
            throw new ArgumentOutOfRangeException(nameof(offset), offset, $"not a page of block '{_blocks[block].Name}'");
        _wire.Write64(offset | (long)(block == _block ? flags | QemuWire.RamFlag.Continue : flags));
        if (block != _block) _wire.WriteName(_blocks[block].Name);
        _block = block;
    }

    private void Expect(Phase phase)
    {
        if (_phase != phase) throw new InvalidOperationException($"the stream is in its phase {_phase}, the call belongs to {phase}");
    }
}
