using System.Buffers.Binary;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Elf;

/// <summary>
/// Walks the page tables of every CPU that has paging on: two levels of 32-bit entries, PAE, four and five levels, with large pages of 4 MiB, 2 MiB and
/// 1 GiB. A table that several CPUs share is walked once.
/// </summary>
internal sealed class X86PageTables
{
    /// <summary>The most tables that are read: those of a guest with 2 TiB in small pages.</summary>
    private const int MaxTables = 1 << 20;

    private const ulong PagingEnabled = 1ul << 31; // CR0.PG
    private const ulong LargePages = 1 << 4; // CR4.PSE
    private const ulong WideEntries = 1 << 5; // CR4.PAE
    private const ulong FiveLevels = 1 << 12; // CR4.LA57

    private const ulong Present = 1;
    private const ulong IsLarge = 1 << 7;

    /// <summary>Bits 12 to 51; those above are protection keys, software bits and the execution ban.</summary>
    private const ulong FrameMask = 0x000f_ffff_ffff_f000;

    private const int TableLength = 4096;

    private readonly IGuestMemory _memory;
    private readonly CancellationToken _cancellation;
    private readonly MappingSet _mappings = new();
    private readonly HashSet<(ulong Table, int Level, ulong Virtual)> _walked = [];

    private int _addressBits;

    private X86PageTables(IGuestMemory memory, CancellationToken cancellation)
    {
        _memory = memory;
        _cancellation = cancellation;
    }

    /// <summary>The mappings of all CPUs, or null when none has paging on.</summary>
    public static async Task<IReadOnlyList<MemoryMapping>?> WalkAsync(IEnumerable<X86CpuState> cpus, IGuestMemory memory, CancellationToken cancellation)
    {
        X86PageTables? walk = null;
        foreach (var cpu in cpus.Where(cpu => (cpu.Cr0 & PagingEnabled) != 0))
        {
            walk ??= new X86PageTables(memory, cancellation);
            await walk.WalkAsync(cpu).ConfigureAwait(false);
        }
        return walk?._mappings.Join();
    }

    private Task WalkAsync(X86CpuState cpu)
    {
        _addressBits = 64;
        if ((cpu.Cr4 & WideEntries) == 0) return WalkNarrowAsync(cpu.Cr3 & 0xffff_f000, (cpu.Cr4 & LargePages) != 0);
        if (!cpu.IsLongMode) return WalkPointersAsync(cpu.Cr3 & 0xffff_ffe0);
        var levels = (cpu.Cr4 & FiveLevels) != 0 ? 5 : 4;
        _addressBits = 12 + (9 * levels);
        return WalkWideAsync(cpu.Cr3 & FrameMask, levels, 0);
    }

    private async Task WalkNarrowAsync(ulong directory, bool hasLargePages)
    {
        if (await ReadAsync(directory, TableLength, 2, 0).ConfigureAwait(false) is not { } entries) return;
        for (var i = 0; i < TableLength / sizeof(uint); i++)
        {
            var entry = BinaryPrimitives.ReadUInt32LittleEndian(entries.AsSpan(i * sizeof(uint)));
            if ((entry & Present) == 0) continue;
            var address = (ulong)i << 22;
            if (hasLargePages && (entry & IsLarge) != 0)
                // PSE-36: bits 13 to 20 are bits 32 to 39 of the frame.
                _mappings.Add((entry & 0xffc0_0000) | ((entry & 0x001f_e000ul) << 19), address, 1 << 22);
            else
                await WalkNarrowPagesAsync(entry & 0xffff_f000, address).ConfigureAwait(false);
        }
    }

    private async Task WalkNarrowPagesAsync(ulong table, ulong address)
    {
        if (await ReadAsync(table, TableLength, 1, address).ConfigureAwait(false) is not { } entries) return;
        for (var i = 0; i < TableLength / sizeof(uint); i++)
        {
            var entry = BinaryPrimitives.ReadUInt32LittleEndian(entries.AsSpan(i * sizeof(uint)));
            if ((entry & Present) != 0) _mappings.Add(entry & 0xffff_f000, address | ((ulong)i << 12), TableLength);
        }
    }

    private async Task WalkPointersAsync(ulong pointers)
    {
        if (await ReadAsync(pointers, 4 * sizeof(ulong), 3, 0).ConfigureAwait(false) is not { } entries) return;
        for (var i = 0; i < 4; i++)
        {
            var entry = BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(i * sizeof(ulong)));
            if ((entry & Present) != 0) await WalkWideAsync(entry & FrameMask, 2, (ulong)i << 30).ConfigureAwait(false);
        }
    }

    /// <summary>Walks a table of 512 wide entries: level 1 names pages, each level above spans nine more bits.</summary>
    private async Task WalkWideAsync(ulong table, int level, ulong address)
    {
        if (await ReadAsync(table, TableLength, level, address).ConfigureAwait(false) is not { } entries) return;
        var shift = 12 + (9 * (level - 1));
        for (var i = 0; i < TableLength / sizeof(ulong); i++)
        {
            var entry = BinaryPrimitives.ReadUInt64LittleEndian(entries.AsSpan(i * sizeof(ulong)));
            if ((entry & Present) == 0) continue;
            var at = address | ((ulong)i << shift);
            if (level == 1 || (level <= 3 && (entry & IsLarge) != 0))
                _mappings.Add(entry & FrameMask & (ulong.MaxValue << shift), Canonical(at), 1ul << shift);
            else
                await WalkWideAsync(entry & FrameMask, level - 1, at).ConfigureAwait(false);
        }
    }

    /// <summary>The uppermost bit that tables translate is copied upward: bit 47, with five levels bit 56.</summary>
    private ulong Canonical(ulong address) => (ulong)((long)(address << (64 - _addressBits)) >> (64 - _addressBits));

    private async ValueTask<byte[]?> ReadAsync(ulong table, int length, int level, ulong address)
    {
        if (!_walked.Add((table, level, address))) return null;
        if (_walked.Count > MaxTables) throw MappingSet.TooMany($"more than {MaxTables} tables");
        var octets = new byte[length];
        return await _memory.TryReadAsync(table, octets, _cancellation).ConfigureAwait(false) ? octets : null;
    }
}
