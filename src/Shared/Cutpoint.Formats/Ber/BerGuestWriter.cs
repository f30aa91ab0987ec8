using System.Buffers;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// Writes a captured QEMU guest as a BER snapshot. The calls are those of <see cref="QemuStreamWriter"/>: <see cref="Begin"/>, pages in any
/// order, <see cref="EndMemory"/>, devices, <see cref="Complete"/>. Holds back the devices alone, which the caller has in memory anyway.
/// Not thread safe.
/// </summary>
/// <remarks>
/// The file is a legal snapshot for any reader of the format: memory as RAM entries, each device as typed items after its description.
/// What the format has no place for is kept in sections named "cutpoint/…", each an OCTET STRING, so that <see cref="BerGuestReader"/>
/// gives back the very octets of every device, and writing those again gives the very octets of the file.
/// </remarks>
public sealed class BerGuestWriter
{
    private readonly BerWriter _values;
    private readonly List<DeviceSection> _devices = [];
    private BerSnapshotWriter? _writer;
    private string[] _blocks = [];
    private uint _nextId;
    private uint _ramId;
    private uint _descriptions;
    private bool _inPages;

    /// <summary>Creates a writer of one snapshot.</summary>
    /// <param name="writer">
    /// Takes the values; stays the caller's, who flushes it on the way (<see cref="BerWriter.ShouldFlush"/>) and at the end.
    /// </param>
    public BerGuestWriter(BerWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        _values = writer;
    }

    /// <summary>Writes the configuration, the attachments, the devices that come before the memory, and the block list.</summary>
    /// <param name="configuration">As captured.</param>
    /// <param name="blocks">All RAM blocks; their numbers are their places in this list.</param>
    /// <param name="attachments">Octets to keep with the guest, by names that start with <see cref="BerGuest.NamePrefix"/>.</param>
    /// <param name="earlyDevices">The sections marked <see cref="DeviceSection.IsEarly"/>.</param>
    public void Begin(
        QemuConfiguration configuration,
        IReadOnlyList<QemuRamBlock> blocks,
        IReadOnlyDictionary<string, ReadOnlyMemory<byte>>? attachments = null,
        IEnumerable<DeviceSection>? earlyDevices = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        ArgumentNullException.ThrowIfNull(blocks);
        if (_writer is not null) throw new InvalidOperationException("The snapshot has begun already.");
        _writer = new BerSnapshotWriter(_values, configuration.PageSize);
        _writer.BeginFile();
        WriteOpaque(BerGuest.ConfigurationName, 0, 1, BerGuestConfiguration.Write(configuration, blocks));
        if (attachments is not null) WriteAttachments(attachments);
        WriteDevices([.. earlyDevices ?? []]);
        _ramId = _nextId++;
        _writer.BeginSection(BerGuest.RamName, _ramId, 0, BerGuest.RamVersion);
        _writer.BeginRamList();
        _writer.WriteRamBlocks([.. blocks.Select(block => new BerRamBlock(block.Name, (ulong)block.Length))]);
        _writer.EndRamList();
        _writer.EndSection();
        _blocks = [.. blocks.Select(block => block.Name)];
    }

    /// <summary>Writes a page.</summary>
    /// <param name="block">Number of its block.</param>
    /// <param name="offset">Octets from the start of the block.</param>
    /// <param name="page">Exactly one page; copied before the call returns.</param>
    public void WritePage(int block, long offset, ReadOnlySpan<byte> page) => Pages.WritePage(_blocks[block], (ulong)offset, page);

    /// <summary>Writes a page that is all zero, in about 19 octets.</summary>
    /// <param name="block">Number of its block.</param>
    /// <param name="offset">Octets from the start of the block.</param>
    public void WriteZeroPage(int block, long offset) => Pages.WriteZeroPage(_blocks[block], (ulong)offset);

    /// <summary>Closes the memory.</summary>
    public void EndMemory()
    {
        if (!_inPages) return;
        _inPages = false;
        Open.EndRamList();
        Open.EndSection();
    }

    /// <summary>Takes a device; it is written by <see cref="Complete"/>, behind the description of them all.</summary>
    /// <param name="device">The device; its octets must not change meanwhile.</param>
    public void WriteDevice(DeviceSection device)
    {
        ArgumentNullException.ThrowIfNull(device);
        _devices.Add(device);
    }

    /// <summary>Writes the description and the devices, and closes the file. The caller flushes the underlying writer.</summary>
    public void Complete()
    {
        if (_inPages) throw new InvalidOperationException("The memory is not closed.");
        WriteDevices(_devices);
        Open.EndFile();
    }

    private BerSnapshotWriter Open => _writer ?? throw new InvalidOperationException("The snapshot has not begun.");

    private BerSnapshotWriter Pages
    {
        get
        {
            if (_inPages) return _writer!;
            Open.ContinueSection(_ramId);
            Open.BeginRamList();
            _inPages = true;
            return Open;
        }
    }

    private void WriteDevices(IReadOnlyList<DeviceSection> devices)
    {
        var described = devices.Where(device => device.Description is not null).ToArray();
        if (described.Length > 0) WriteOpaque(BerGuest.DescriptionName, _descriptions++, 1, Describe(described));
        foreach (var device in devices)
        {
            if (DeviceStateTree.TryBuild(device) is not { } state)
            {
                WriteOpaque(device.Name, device.Instance, device.Version, device.Payload.Span);
                continue;
            }

            Open.BeginSection(device.Name, _nextId++, device.Instance, device.Version);
            Open.WriteState(state);
            Open.EndSection();
        }
    }

    private void WriteAttachments(IReadOnlyDictionary<string, ReadOnlyMemory<byte>> attachments)
    {
        foreach (var (name, octets) in attachments.OrderBy(attachment => attachment.Key, StringComparer.Ordinal))
        {
            var isOwn = name is BerGuest.ConfigurationName or BerGuest.DescriptionName;
            if (isOwn || !name.StartsWith(BerGuest.NamePrefix, StringComparison.Ordinal))
                throw new ArgumentException($"'{name}' cannot be the name of an attachment.", nameof(attachments));
            WriteOpaque(name, 0, 1, octets.Span);
        }
    }

    private void WriteOpaque(string name, uint instance, uint version, ReadOnlySpan<byte> octets)
    {
        Open.BeginSection(name, _nextId++, instance, version);
        Open.BeginBlob(octets.Length);
        Open.WriteOctets(octets);
        Open.EndBlob();
        Open.EndSection();
    }

    private static ReadOnlySpan<byte> Describe(IEnumerable<DeviceSection> devices)
    {
        var json = new ArrayBufferWriter<byte>();
        var separator = "{\"devices\":["u8;
        foreach (var device in devices)
        {
            json.Write(separator);
            json.Write(device.Description!.Json.Span);
            separator = ","u8;
        }

        json.Write("]}"u8);
        return json.WrittenSpan;
    }
}
