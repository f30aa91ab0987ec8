using System.Buffers.Binary;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Preflight;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// The RAM blocks of a guest that are not shared: flash, video memory, firmware. QEMU looks at every page of them in the stop and writes those that are not zero.
/// A page nobody has used yet has no memory, and the look gives it some: that alone is slower than everything else in the pause (128 MiB of flash: 0.5 to 2 s), so it is
/// done before, by reading QEMU's memory from outside. Where that is not allowed the pause is predicted with it.
/// </summary>
internal sealed class PrivateMemory
{
    /// <summary>Octets per second at which QEMU finds that pages are zero.</summary>
    private const double ZeroRate = 5e9;

    /// <summary>Octets per second at which QEMU writes pages into memory.</summary>
    private const double WriteRate = 1e9;

    /// <summary>Octets per second at which the kernel makes memory, by a safe margin.</summary>
    private const double FirstTouchRate = 1.5e8;

    /// <summary>Blocks below it are not worth a look.</summary>
    private const long SmallBlock = 1 << 20;

    private const int Step = 1 << 20;
    private const int EntrySize = sizeof(ulong);

    /// <summary>In an entry of /proc/ID/pagemap: the page is in memory, or in swap.</summary>
    private const ulong HasMemory = 3UL << 62;

    private readonly int? _process;
    private readonly List<(ulong Address, long Length)> _blocks = [];
    private readonly long _small;
    private long _hidden;
    private long _zero;
    private long _content;

    private PrivateMemory(int? process, long small)
    {
        _process = process;
        _small = small;
    }

    /// <summary>What the look at these blocks and the writing of them adds to the pause.</summary>
    public TimeSpan Pause => TimeSpan.FromSeconds((_zero / ZeroRate) + ((_content + _small) / WriteRate) + (_hidden / FirstTouchRate));

    /// <summary>Looks at the blocks from outside, and changes nothing: what has no memory yet is not read.</summary>
    /// <param name="session">The guest.</param>
    /// <param name="inspection">What a look at it found.</param>
    /// <param name="blocks">The blocks.</param>
    /// <param name="cancellation">Ends the look.</param>
    public static async Task<PrivateMemory> LookAsync(
        QemuSession session, QemuInspection inspection, IReadOnlyList<QemuRamBacking> blocks, CancellationToken cancellation)
    {
        var large = blocks.Where(b => b.Block.Length >= SmallBlock).Select(b => b.Block).ToList();
        var memory = new PrivateMemory(session.Qemu?.Id, blocks.Sum(b => b.Block.Length) - large.Sum(b => b.Length));
        foreach (var block in large)
        {
            if (inspection.Description.Memory.FirstOrDefault(range => range.Block == block.Name) is { } range
                && await QemuPreflight.HostAddressAsync(session.Monitor, range, cancellation) is { } address)
            {
                memory._blocks.Add((address, block.Length));
            }
            else
            {
                // A device that is not mapped: nobody outside knows where its memory is.
                memory._hidden += block.Length;
            }
        }
        memory.Read(touch: false, cancellation);
        return memory;
    }

    /// <summary>Sees to it that every page has memory, as the stream of the stop would; the guest runs on.</summary>
    public Task TouchAsync(CancellationToken cancellation) => Task.Run(() => Read(touch: true, cancellation), cancellation);

    /// <summary>Counts what is zero and what is not. Where the process may not be read from here, its blocks are hidden.</summary>
    private void Read(bool touch, CancellationToken cancellation)
    {
        if (_blocks.Count == 0) return;
        (_zero, _content) = (0, 0);
        if (TryRead(touch, cancellation)) return;
        (_zero, _content) = (0, 0);
        _hidden += _blocks.Sum(block => block.Length);
        _blocks.Clear();
    }

    private bool TryRead(bool touch, CancellationToken cancellation)
    {
        if (_process is not { } process) return false;
        try
        {
            using var memory = Open(process, "mem");
            using var map = Open(process, "pagemap");
            var octets = new byte[Step];
            var entries = new byte[Step / Paging.PageSize * EntrySize];
            foreach (var (address, length) in _blocks)
            {
                for (long at = 0; at < length; at += Step)
                {
                    cancellation.ThrowIfCancellationRequested();
                    Count(memory, map, (long)address + at, octets.AsSpan(0, (int)Math.Min(Step, length - at)), entries, touch);
                }
            }
            return true;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private void Count(SafeFileHandle memory, SafeFileHandle map, long address, Span<byte> octets, Span<byte> entries, bool touch)
    {
        entries = entries[..(octets.Length / Paging.PageSize * EntrySize)];
        if (RandomAccess.Read(map, entries, address / Paging.PageSize * EntrySize) != entries.Length) throw new EndOfStreamException();
        for (var page = 0; page < octets.Length / Paging.PageSize; page++)
        {
            var one = octets.Slice(page * Paging.PageSize, Paging.PageSize);
            var hasMemory = (BinaryPrimitives.ReadUInt64LittleEndian(entries[(page * EntrySize)..]) & HasMemory) != 0;
            if (!hasMemory && !touch)
            {
                // It will be touched before the stop, and is zero then.
                _zero += one.Length;
                continue;
            }
            if (RandomAccess.Read(memory, one, address + (page * Paging.PageSize)) != one.Length) throw new EndOfStreamException();
            if (one.ContainsAnyExcept((byte)0)) _content += one.Length;
            else _zero += one.Length;
        }
    }

    private static SafeFileHandle Open(int process, string name) => File.OpenHandle(
        ProcessFiles.Path(process, name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
}
