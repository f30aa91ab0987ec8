using Cutpoint.Formats.Elf;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>The memory of a stored guest by guest-physical addresses, in runs as long as they can be.</summary>
internal sealed class StoredMemory : IGuestMemory
{
    private readonly StoredGuest _guest;

    public StoredMemory(StoredGuest guest)
    {
        _guest = guest;
        List<MemoryRange> runs = [];
        foreach (var range in guest.Memory.OrderBy(range => range.Address))
        {
            var last = runs.Count > 0 ? runs[^1] : null;
            if (last is not null && last.Block == range.Block && last.Address + last.Length == range.Address && last.Offset + last.Length == range.Offset)
                runs[^1] = last with { Length = last.Length + range.Length };
            else
                runs.Add(range);
        }
        Runs = runs;
    }

    /// <summary>The runs, ascending.</summary>
    public IReadOnlyList<MemoryRange> Runs { get; }

    /// <summary>The runs that lie in a range of addresses, cut to it.</summary>
    public IReadOnlyList<MemoryRange> Within(DumpRange filter) =>
    [
        .. from run in Runs
           let part = new DumpRange(run.Address, run.Length).Cut(filter)
           where part is not null
           select new MemoryRange(part.Value.Address, part.Value.Length, run.Block, run.Offset + (part.Value.Address - run.Address)),
    ];

    /// <inheritdoc/>
    public async ValueTask<bool> TryReadAsync(ulong address, Memory<byte> octets, CancellationToken cancellation)
    {
        while (!octets.IsEmpty)
        {
            if (Runs.FirstOrDefault(run => address >= run.Address && address - run.Address < run.Length) is not { } run) return false;
            var inRun = address - run.Address;
            var count = (int)Math.Min((ulong)octets.Length, run.Length - inRun);
            var part = _guest.PartOf(run);
            await _guest.Reader.ReadAsync(part.Block, part.Offset + (long)inRun, octets[..count], cancellation);
            octets = octets[count..];
            address += (ulong)count;
        }
        return true;
    }
}
