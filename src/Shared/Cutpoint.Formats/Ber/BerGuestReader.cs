using System.Buffers;
using System.Text.Json;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Ber;

/// <summary>
/// Reads a BER snapshot made by <see cref="BerGuestWriter"/> back into what a migration stream of the guest would have given: the memory
/// goes to the visitor page by page, the devices' octets are rebuilt from their items and descriptions.
/// </summary>
public sealed class BerGuestReader
{
    private const string ForeignAdvice = "only snapshots with sections named cutpoint/… become guests again; inspect shows any snapshot";

    private readonly BerSnapshotReader _reader;
    private readonly IQemuStreamVisitor _visitor;
    private readonly List<DeviceSection> _devices = [];
    private readonly Dictionary<string, ReadOnlyMemory<byte>> _attachments = new(StringComparer.Ordinal);
    private readonly Dictionary<BerRamBlock, int> _numbers = [];
    private BerGuestConfiguration? _configuration;
    private Queue<DeviceDescription> _descriptions = new();
    private byte[] _page = [];
    private BerRamBlock? _block;
    private int _number;
    private bool _memoryEnded;
    private long _length;

    private BerGuestReader(BerSnapshotReader reader, IQemuStreamVisitor visitor)
    {
        _reader = reader;
        _visitor = visitor;
    }

    /// <summary>Reads a whole snapshot.</summary>
    /// <param name="input">Read from its present position to its end; not closed.</param>
    /// <param name="visitor">Receives the memory, on the thread that reads.</param>
    /// <param name="cancellationToken">Cancels between two reads.</param>
    /// <exception cref="MalformedInputException">The file is damaged.</exception>
    /// <exception cref="SnapshotException">The file is a snapshot of another writer and lacks what a guest needs
    /// (<see cref="ErrorCode.Incompatible"/>).</exception>
    public static async Task<BerGuest> ReadAsync(Stream input, IQemuStreamVisitor visitor, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(visitor);
        using var reader = new BerSnapshotReader(input);
        var guest = new BerGuestReader(reader, visitor);
        while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            await guest.TakeSectionAsync(cancellationToken).ConfigureAwait(false);
        if (guest._configuration is null) throw Foreign("the machine's configuration");
        if (reader.RamBlocks.Count == 0) throw Foreign("the memory");
        guest.EndMemory();
        return new BerGuest(guest._devices, guest._attachments);
    }

    private static SnapshotException Foreign(string what) => new(ErrorCode.Incompatible, $"BER: the snapshot lacks {what}", ForeignAdvice);

    // The reader stands on the start of a section; afterwards on its end.
    private async ValueTask TakeSectionAsync(CancellationToken cancellationToken)
    {
        var section = _reader.Section!;
        if (section.Name == BerGuest.RamName)
        {
            while (await ReadInsideAsync(cancellationToken).ConfigureAwait(false)) TakeMemory();
            return;
        }

        if (_reader.RamBlocks.Count > 0) EndMemory();
        ReadOnlyMemory<byte>? octets = null;
        BerItem.Group? state = null;
        var position = section.Offset;
        while (await ReadInsideAsync(cancellationToken).ConfigureAwait(false))
        {
            if (octets is not null || state is not null || section.IsContinuing)
                throw Foreign($"a single body of section '{section.Name}'");
            position = _reader.Offset;
            if (_reader.Event == BerSnapshotEvent.Octets)
                octets = await ReadOctetsAsync(cancellationToken).ConfigureAwait(false);
            else if (_reader.Event == BerSnapshotEvent.GroupStart)
                state = await _reader.ReadStateAsync(cancellationToken).ConfigureAwait(false);
            else
                throw Foreign($"a state of section '{section.Name}'");
        }

        TakeBody(section, position, octets, state);
    }

    private async ValueTask<bool> ReadInsideAsync(CancellationToken cancellationToken) =>
        await _reader.ReadAsync(cancellationToken).ConfigureAwait(false) && _reader.Event != BerSnapshotEvent.SectionEnd;

    private async ValueTask<ReadOnlyMemory<byte>> ReadOctetsAsync(CancellationToken cancellationToken)
    {
        var octets = new ArrayBufferWriter<byte>();
        for (; ; )
        {
            Count(_reader.Contents.Length);
            octets.Write(_reader.Contents);
            if (_reader.IsFinalPiece) return octets.WrittenMemory;
            await _reader.ReadAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    private void Count(long length)
    {
        _length += length;
        if (_length > BerGuest.MaxLength)
            BerError.Throw(_reader.Offset, $"devices and attachments of more than {BerGuest.MaxLength} octets");
    }

    private void TakeBody(BerSection section, long position, ReadOnlyMemory<byte>? octets, BerItem.Group? state)
    {
        if (octets is null && state is null) throw Foreign($"the state of section '{section.Name}'");
        if (!section.Name.StartsWith(BerGuest.NamePrefix, StringComparison.Ordinal))
        {
            AddDevice(section, position, octets, state);
            return;
        }

        if (octets is not { } contents) throw Foreign($"octets in section '{section.Name}'");
        switch (section.Name)
        {
            case BerGuest.ConfigurationName:
                if (_configuration is not null) BerError.Throw(position, "a second configuration");
                if (contents.Length > BerGuestConfiguration.MaxLength)
                    BerError.Throw(position, $"a configuration of {contents.Length} octets");
                _configuration = BerGuestConfiguration.Read(contents, position);
                _visitor.OnConfiguration(_configuration.Configuration);
                break;
            case BerGuest.DescriptionName:
                _descriptions = ReadDescriptions(contents, position);
                break;
            default:
                if (!_attachments.TryAdd(section.Name, contents)) BerError.Throw(position, $"a second section '{section.Name}'");
                break;
        }
    }

    private void AddDevice(BerSection section, long position, ReadOnlyMemory<byte>? octets, BerItem.Group? state)
    {
        // The descriptions are in the order of the devices; one that is not described is passed over.
        var description = _descriptions.TryPeek(out var next) && next.Name == section.Name && next.Instance == section.InstanceId
            ? _descriptions.Dequeue()
            : null;
        if (state is not null && description is null) throw Foreign($"the description of device '{section.Name}'");
        var payload = octets ?? DeviceStateTree.Encode(state!, description!, position);
        if (octets is null) Count(payload.Length);
        _devices.Add(new DeviceSection(section.Name, section.InstanceId, section.VersionId, section.SectionId, payload)
        {
            Description = description,
            IsEarly = _reader.RamBlocks.Count == 0,
            StreamOffset = section.Offset,
        });
    }

    private static Queue<DeviceDescription> ReadDescriptions(ReadOnlyMemory<byte> octets, long position)
    {
        if (octets.Length > VmDescription.LengthLimit) BerError.Throw(position, $"a description of {octets.Length} octets");
        var descriptions = new Queue<DeviceDescription>();
        try
        {
            var reader = new Utf8JsonReader(octets.Span);
            if (!Next(ref reader, JsonTokenType.StartObject) || !Next(ref reader, JsonTokenType.PropertyName) ||
                !reader.ValueTextEquals("devices"u8) || !Next(ref reader, JsonTokenType.StartArray)) throw new JsonException("no devices");
            while (reader.Read() && reader.TokenType == JsonTokenType.StartObject)
            {
                var start = (int)reader.TokenStartIndex;
                reader.Skip();
                descriptions.Enqueue(DeviceDescription.Parse(octets[start..(int)reader.BytesConsumed]));
            }

            if (reader.TokenType != JsonTokenType.EndArray) throw new JsonException("something else than devices");
        }
        catch (JsonException error)
        {
            throw BerError.Create(position, $"section '{BerGuest.DescriptionName}' is not a description: {error.Message}");
        }

        return descriptions;
    }

    private static bool Next(ref Utf8JsonReader reader, JsonTokenType token) => reader.Read() && reader.TokenType == token;

    private void TakeMemory()
    {
        if (_memoryEnded) BerError.Throw(_reader.Offset, "memory behind the devices");
        if (_configuration is null) throw Foreign("the machine's configuration in front of the memory");
        if (_reader.Event == BerSnapshotEvent.RamBlocks) TakeBlocks();
        else if (_reader.Event == BerSnapshotEvent.RamEntry) TakeEntry();
        else throw Foreign("a list of RAM entries as the memory");
    }

    private void TakeBlocks()
    {
        var blocks = new List<QemuRamBlock>(_reader.RamBlocks.Count);
        foreach (var block in _reader.RamBlocks)
        {
            if (block.Length > long.MaxValue) BerError.Throw(_reader.Offset, $"RAM block '{block.Name}' of {block.Length} octets");
            _numbers.Add(block, blocks.Count);
            var address = _configuration!.Addresses.ElementAtOrDefault(blocks.Count);
            blocks.Add(new QemuRamBlock(block.Name, (long)block.Length) { Address = address });
        }

        _visitor.OnBlocks(blocks);
    }

    private void TakeEntry()
    {
        if (_reader.RamBlock is not { } block) return;
        if (!ReferenceEquals(block, _block))
        {
            _block = block;
            _number = _numbers[block];
        }

        var size = _configuration!.Configuration.PageSize;
        var address = _reader.RamAddress;
        if ((address & ((ulong)size - 1)) != 0 || block.Length - address < (ulong)size)
            BerError.Throw(_reader.Offset, $"address {address:x} is not that of a page of {size} octets");
        switch (_reader.RamFlags)
        {
            case BerRamFlags.Page:
                if (_reader.PageSize != size)
                    BerError.Throw(_reader.Offset, $"pages of {_reader.PageSize} octets; the machine's have {size}");
                _visitor.OnPage(_number, (long)address, _reader.Contents);
                break;
            case BerRamFlags.Zero when _reader.RamFill == 0:
                _visitor.OnZeroPage(_number, (long)address);
                break;
            case BerRamFlags.Zero:
                Scratch(size).Fill(_reader.RamFill);
                _visitor.OnPage(_number, (long)address, _page);
                break;
            case BerRamFlags.Xbzrle:
                if (!_visitor.TryReadPage(_number, (long)address, Scratch(size)))
                    throw Foreign("whole pages; it has differences (XBZRLE)");
                if (!XbzrleEdits.TryApply(_reader.Contents, _page))
                    BerError.Throw(_reader.Offset, "XBZRLE edits that reach beyond the page");
                _visitor.OnPage(_number, (long)address, _page);
                break;
        }
    }

    private Span<byte> Scratch(int size)
    {
        if (_page.Length != size) _page = new byte[size];
        return _page;
    }

    private void EndMemory()
    {
        if (_memoryEnded) return;
        _memoryEnded = true;
        _visitor.OnMemoryEnd();
    }
}
