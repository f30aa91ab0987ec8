using Cutpoint.Formats;
using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Export;

/// <summary>Reads a guest out of a saved state that Cutpoint wrote, in memory that grows with its devices, never with its RAM.</summary>
internal sealed class SavedGuestReader(SavedStateReader reader, ISavedMemory memory)
{
    private readonly SavedStateValueReader _values = new(reader);
    private readonly byte[] _page = new byte[Paging.PageSize];
    private readonly List<DeviceState> _devices = [];
    private GuestDescription? _description;
    private int _blocks;
    private long _held;

    /// <summary>Its devices, in the file's order.</summary>
    public IReadOnlyList<DeviceState> Devices => _devices;

    /// <summary>Reads everything up to the end of the file, whose checksums are compared on the way.</summary>
    /// <exception cref="MalformedInputException">The file is damaged; says where.</exception>
    public async Task<GuestDescription> ReadAsync(CancellationToken cancellation)
    {
        while (await reader.NextUnitAsync(cancellation) is { } unit)
        {
            switch (unit.Name)
            {
                case SavedGuestUnits.Information:
                    continue;
                case SavedGuestUnits.Description:
                    if (_description is not null) throw Wrong("a second description of the guest");
                    CheckVersion(unit);
                    _description = GuestAttachment.Read(GetOctets(SavedGuestUnits.MaxDescription), "saved state", unit.Offset);
                    break;
                case SavedGuestUnits.Memory:
                    await ReadBlockAsync(unit, cancellation);
                    break;
                default:
                    ReadDevice(unit);
                    break;
            }
            await reader.EndAsync(cancellation);
        }
        if (_description is null) throw Wrong("the description of the guest is missing");
        if (_blocks != _description.Blocks.Count) throw Wrong($"{_description.Blocks.Count} RAM blocks are described, {_blocks} are there");
        return _description;
    }

    private async Task ReadBlockAsync(SavedStateUnit unit, CancellationToken cancellation)
    {
        CheckVersion(unit);
        var block = new RamBlock(_values.GetText(limit: 256), (long)_values.GetUInt64(), _values.GetBoolean());
        if (_description is null || unit.Instance != _blocks || _blocks >= _description.Blocks.Count || _description.Blocks[_blocks] != block)
            throw Wrong($"RAM block {unit.Instance} '{block.Name}' of {block.Length} octets is not the one described there");
        if (block.Length <= 0 || block.Length % Paging.PageSize != 0) throw Wrong($"RAM block '{block.Name}' of {block.Length} octets is no whole pages");
        _blocks++;
        memory.AddBlock(block);
        for (long offset = 0; offset < block.Length; offset += Paging.PageSize)
        {
            await ReadPageAsync(cancellation);
            memory.AddPage(offset, _page, !_page.AsSpan().ContainsAnyExcept((byte)0));
        }
    }

    private async ValueTask ReadPageAsync(CancellationToken cancellation)
    {
        for (var have = 0; have < _page.Length;)
        {
            var count = await reader.ReadAsync(_page.AsMemory(have), cancellation);
            if (count == 0) throw new SavedStateException(SavedStateStatus.LoadedTooMuch, reader.Offset, "the unit ends before its RAM block does");
            have += count;
        }
    }

    private void ReadDevice(SavedStateUnit unit)
    {
        var name = _values.GetText(limit: 256);
        var description = GetOctets(SavedGuestUnits.MaxDevices);
        _devices.Add(new DeviceState(new UnitKey(name, unit.Instance), unit.Version, GetOctets(SavedGuestUnits.MaxDevices), description));
    }

    /// <summary>Octets with their length in front, held only as they come: a length alone allocates nothing to speak of.</summary>
    private byte[] GetOctets(int limit)
    {
        var length = _values.GetUInt32();
        _held += length;
        if (length > limit || _held > SavedGuestUnits.MaxDevices) throw Wrong($"{length} octets where at most {limit} and {SavedGuestUnits.MaxDevices} in all are held");
        using var octets = new MemoryStream();
        for (var left = (int)length; left > 0;)
        {
            var part = _page.AsSpan(0, Math.Min(left, _page.Length));
            _values.GetMemory(part);
            octets.Write(part);
            left -= part.Length;
        }
        return octets.ToArray();
    }

    private static void CheckVersion(SavedStateUnit unit)
    {
        if (unit.Version == SavedGuestUnits.LayoutVersion) return;
        throw new SavedStateException(SavedStateStatus.UnsupportedUnitVersion, unit.Offset, $"unit {unit.Name} of version {unit.Version}, {SavedGuestUnits.LayoutVersion} is known");
    }

    private SavedStateException Wrong(string reason) => new(SavedStateStatus.UnexpectedData, reader.Offset, reason);
}
