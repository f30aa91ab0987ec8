using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using static Cutpoint.Formats.Qemu.QemuWire;

namespace Cutpoint.Formats.Qemu;

/// <summary>Writes the parts of a migration stream that a plain and a mapped-ram stream share: QEMU migration stream, section 1.</summary>
internal sealed class WireWriter(IBufferWriter<byte> output)
{
    private const uint FirstSectionId = 2;

    private readonly List<DeviceDescription?> _described = [];

    public long Position { get; private set; }

    public uint MemoryId { get; private set; } = FirstSectionId;

    public int PageSize { get; private set; }

    /// <summary>Header, configuration, and the start of the memory up to the total of the block list.</summary>
    public void Begin(QemuConfiguration configuration, IReadOnlyList<QemuRamBlock> blocks, IReadOnlyList<DeviceSection> earlyDevices)
    {
        PageSize = configuration.PageSize;
        // A receiver finds rounds by this number, so no device in front of them may have it.
        while (earlyDevices.Any(d => d.SectionId == MemoryId)) MemoryId++;
        Write32(Magic);
        Write32(QemuWire.Version);
        Write8(QemuWire.Configuration);
        Write32(Encoding.UTF8.GetByteCount(configuration.MachineName));
        Write(Encoding.UTF8.GetBytes(configuration.MachineName));
        if (configuration.TargetPageBits is { } bits)
        {
            BeginSubsection(PageBits);
            Write32(bits);
        }

        if (configuration.Capabilities.Count > 0)
        {
            BeginSubsection(QemuWire.Capabilities);
            Write32(configuration.Capabilities.Count);
            foreach (var capability in configuration.Capabilities) WriteName(capability);
        }

        if (!configuration.Uuid.IsEmpty)
        {
            BeginSubsection(Uuid);
            Write(configuration.Uuid.Span);
        }

        Write8((byte)QemuSectionKind.Start);
        Write32(MemoryId);
        WriteName(Ram);
        Write32(0);
        Write32(RamVersion);
        Write64(blocks.Sum(b => b.Length) | (long)RamFlag.MemorySize);
    }

    public void WriteBlock(QemuRamBlock block, bool withAddress)
    {
        if (block.Length <= 0 || block.Length % PageSize != 0)
            throw new ArgumentException($"block '{block.Name}' has {block.Length} octets", nameof(block));
        WriteName(block.Name);
        Write64(block.Length);
        if (withAddress) Write64((long)(block.Address ?? 0));
    }

    /// <summary>Ends the payload of a section of memory.</summary>
    public void EndPayload()
    {
        Write64((long)RamFlag.End);
        WriteFooter(MemoryId);
    }

    public void BeginRound(QemuSectionKind kind)
    {
        Write8((byte)kind);
        Write32(MemoryId);
    }

    public void WriteDevice(DeviceSection device)
    {
        Write8((byte)QemuSectionKind.Full);
        Write32((int)device.SectionId);
        WriteName(device.Name);
        Write32((int)device.Instance);
        Write32((int)device.Version);
        Write(device.Payload.Span);
        WriteFooter(device.SectionId);
        _described.Add(device.Description);
    }

    /// <summary>The end mark, and the description if there is one of every device: half a description would be worse than none.</summary>
    public void Complete()
    {
        Write8(EndOfStream);
        if (_described.Contains(null)) return;
        var head = Encoding.ASCII.GetBytes($"{{\"page_size\": {PageSize}, \"devices\": [");
        var length = head.Length + _described.Sum(d => (long)d!.Json.Length) + Math.Max(0, _described.Count - 1) + 2;
        if (length > VmDescription.LengthLimit) throw new InvalidOperationException($"a description of {length} octets");
        Write8(QemuWire.Description);
        Write32((int)length);
        Write(head);
        for (var i = 0; i < _described.Count; i++)
        {
            if (i > 0) Write8((byte)',');
            Write(_described[i]!.Json.Span);
        }

        Write("]}"u8);
    }

    public void Write(ReadOnlySpan<byte> octets)
    {
        output.Write(octets);
        Position += octets.Length;
    }

    public void Write32(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(output.GetSpan(sizeof(int)), value);
        Advance(sizeof(int));
    }

    public void Write64(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(output.GetSpan(sizeof(long)), value);
        Advance(sizeof(long));
    }

    public void WriteName(string name)
    {
        var octets = Encoding.UTF8.GetBytes(name);
        if (octets.Length > byte.MaxValue) throw new ArgumentException($"the name '{name}' is longer than 255 octets", nameof(name));
        Write8((byte)octets.Length);
        Write(octets);
    }

    public void Write8(byte value)
    {
        output.GetSpan(1)[0] = value;
        Advance(1);
    }

    private void Write32(uint value) => Write32((int)value);

    private void BeginSubsection(string name)
    {
        Write8(Subsection);
        WriteName(name);
        Write32(ConfigurationPartVersion);
    }

    private void WriteFooter(uint id)
    {
        Write8(Footer);
        Write32(id);
    }

    private void Advance(int count)
    {
        output.Advance(count);
        Position += count;
    }
}
