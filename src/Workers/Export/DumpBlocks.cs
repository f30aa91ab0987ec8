using Cutpoint.Compression;

namespace Cutpoint.Workers.Export;

/// <summary>Counts the memory of a dump, run by run. A hostile file has more runs than anybody reads: the rest is one line.</summary>
internal sealed class DumpBlocks
{
    private const int PageSize = 4096;
    private const int MaxBlocks = 4096;

    private readonly List<InspectedBlock> _blocks = [];
    private long _moreBlocks;
    private (ulong Address, ulong Next, long Data, long Zero) _run;

    /// <summary>Every run.</summary>
    public IReadOnlyList<InspectedBlock> Blocks => _blocks;

    /// <summary>Octets of all runs.</summary>
    public long Length { get; private set; }

    /// <summary>What is not among <see cref="Blocks"/>, in words.</summary>
    public IEnumerable<string> Remarks()
    {
        if (_moreBlocks > 0) yield return $"{_moreBlocks} runs of memory beyond {MaxBlocks} are not shown";
    }

    /// <summary>Counts octets; those that continue the last are of its run.</summary>
    public void Add(ulong address, ReadOnlySpan<byte> octets)
    {
        if (_run.Next != address || _run.Next == _run.Address)
        {
            EndRun(0);
            _run = (address, address, 0, 0);
        }
        for (var at = 0; at < octets.Length; at += PageSize)
        {
            if (ZeroPages.IsZero(octets.Slice(at, Math.Min(PageSize, octets.Length - at)))) _run.Zero++;
            else _run.Data++;
        }
        _run.Next += (ulong)octets.Length;
    }

    /// <summary>Ends a run of which some octets are not in the file.</summary>
    /// <param name="absent">How many are not.</param>
    public void EndRun(ulong absent)
    {
        var length = (long)(_run.Next - _run.Address);
        if (length == 0 && absent == 0) return;
        Length += length;
        if (_blocks.Count < MaxBlocks)
            _blocks.Add(new InspectedBlock($"0x{_run.Address:x}", length + (long)Math.Min(absent, long.MaxValue / 2), _run.Data, _run.Zero, (long)(absent / PageSize), 0));
        else
            _moreBlocks++;
        _run = default;
    }

    /// <summary>Begins a run at an address.</summary>
    public void BeginRun(ulong address) => _run = (address, address, 0, 0);
}
