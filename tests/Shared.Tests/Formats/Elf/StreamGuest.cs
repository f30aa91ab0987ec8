using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Qemu;
using Cutpoint.Shared.Tests.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Elf;

/// <summary>A guest of a golden stream as a dump sees it: what QEMU dumped of the same stopped guest is what ours must be.</summary>
internal sealed class StreamGuest : IGuestMemory
{
    private readonly Dictionary<string, byte[]> _blocks;
    private readonly List<PhysicalRange> _runs = [];

    private StreamGuest(CollectedMemory memory, QemuDevicePart part)
    {
        _blocks = memory.Blocks.ToDictionary(block => block.Name, block => memory.Block(block.Name));
        foreach (var range in GuestPhysicalMap.Derive(memory.Configuration, memory.Blocks, part.Devices).Ranges.Where(range => !QemuRamBlock.IsFlash(range.Block)))
        {
            var last = _runs.Count > 0 ? _runs[^1] : null;
            if (last is not null && last.Block == range.Block && last.Address + last.Length == range.Address && last.Offset + (long)last.Length == range.Offset)
                _runs[^1] = last with { Length = last.Length + range.Length };
            else
                _runs.Add(range);
        }
        Processors = GuestProcessors.Read(part.Devices);
        if (!VmCoreInfo.TryFind(part.Devices, out var place, out var reason))
        {
            NoNote = reason;
            return;
        }
        var octets = new byte[place.Length];
        if (TryRead(place.Address, octets)) GuestNote = VmCoreInfo.Read(octets, false);
    }

    public GuestProcessors Processors { get; }

    public ElfNote? GuestNote { get; }

    /// <summary>Why there is no note of the kernel.</summary>
    public string? NoNote { get; }

    public IReadOnlyList<DumpRange> Memory => [.. _runs.Select(run => new DumpRange(run.Address, run.Length))];

    public IReadOnlyList<ElfNote> Notes => GuestNote is null ? Processors.Notes() : [.. Processors.Notes(), GuestNote];

    public static async Task<StreamGuest> OfAsync(string name)
    {
        var (memory, part) = await Vectors.ParseAsync(name);
        return new StreamGuest(memory, part);
    }

    public ReadOnlySpan<byte> Contents(DumpRange range)
    {
        var run = _runs.Single(run => run.Address <= range.Address && range.Last < run.Address + run.Length);
        return _blocks[run.Block].AsSpan((int)(run.Offset + (long)(range.Address - run.Address)), (int)range.Length);
    }

    public ValueTask<bool> TryReadAsync(ulong address, Memory<byte> octets, CancellationToken cancellation) => new(TryRead(address, octets.Span));

    private bool TryRead(ulong address, Span<byte> octets)
    {
        var length = (ulong)octets.Length;
        if (_runs.Find(run => run.Address <= address && address + length <= run.Address + run.Length) is not { } run) return false;
        _blocks[run.Block].AsSpan((int)(run.Offset + (long)(address - run.Address)), octets.Length).CopyTo(octets);
        return true;
    }
}
