using System.Buffers.Binary;
using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Elf;

/// <summary>Virtual addresses by the guest's own page tables, in every mode of x86. The entries are written out by hand from the processor's manual.</summary>
public sealed class Page_tables
{
    private const ulong Pae = 1 << 5, Pse = 1 << 4, FiveLevels = 1 << 12, Paging = 1ul << 31;
    private const uint LongMode = 1 << 14;
    private const ulong Present = 1, Large = 1 << 7, NoExecute = 1ul << 63, KeyAndSoftwareBits = 0x7ff0_0000_0000_0e00;

    private readonly PlainMemory _memory = new();

    [Fact]
    public async Task Without_paging_there_are_none() =>
        Assert.Null(await new X86Processors([.. Cpu(0, 0, 0, 0)]).WalkAsync(_memory, default));

    [Fact]
    public async Task Two_levels_with_small_large_and_far_pages()
    {
        Narrow(0x1000, 0, 0x2000 | Present);
        Narrow(0x1000, 1, 0x40_0000 | Large | Present);
        // PSE-36: frame 0x12_0040_0000 has bits 32 to 39 in bits 13 to 20.
        Narrow(0x1000, 1023, 0x0040_0000 | (0x12 << 13) | Large | Present);
        Narrow(0x1000, 2, 0x3000);
        Narrow(0x2000, 5, 0x9000 | Present);
        Narrow(0x2000, 6, 0xa000 | Present);
        Narrow(0x2000, 7, 0x9000 | Present);

        Assert.Equal(
            [new(0x9000, 0x5000, 0x2000), new(0x9000, 0x7000, 0x1000), new(0x40_0000, 0x40_0000, 0x40_0000), new(0x12_0040_0000, 0xffc0_0000, 0x40_0000)],
            await WalkAsync(Cpu(Paging, 0x1000, Pse, 0)));
        // Without PSE the entry names a table, here one that is no memory.
        Assert.Equal([new(0x9000, 0x5000, 0x2000), new(0x9000, 0x7000, 0x1000)], await WalkAsync(Cpu(Paging, 0x1000, 0, 0)));
    }

    [Fact]
    public async Task Three_levels_of_PAE()
    {
        // The root has four entries and need not begin a page.
        Wide(0x1020, 3, 0x2000 | Present);
        Wide(0x2000, 1, 0x20_0000 | Large | Present | NoExecute);
        Wide(0x2000, 2, 0x3000 | Present);
        Wide(0x3000, 0, 0x1_0000_5000 | Present | NoExecute);

        Assert.Equal(
            [new(0x20_0000, 0xc020_0000, 0x20_0000), new(0x1_0000_5000, 0xc040_0000, 0x1000)], await WalkAsync(Cpu(Paging, 0x1020, Pae, 0)));
    }

    [Fact]
    public async Task Four_levels_with_pages_of_three_sizes_in_both_halves()
    {
        Wide(0x1000, 0, 0x2000 | Present);
        Wide(0x1000, 273, 0x2000 | Present | KeyAndSoftwareBits);
        Wide(0x2000, 0, 0x3000 | Present);
        Wide(0x2000, 1, 0x4000_0000 | Large | Present | KeyAndSoftwareBits);
        Wide(0x3000, 3, 0x60_0000 | Large | Present | KeyAndSoftwareBits | NoExecute);
        Wide(0x3000, 4, 0x4000 | Present);
        Wide(0x4000, 0, 0x80_0000 | Present | KeyAndSoftwareBits | NoExecute);
        // Bit 7 of a page's own entry is a memory type, and one of the root's entry means nothing.
        Wide(0x4000, 1, 0x80_1000 | Large | Present);

        Assert.Equal(
            [
                new(0x60_0000, 0x60_0000, 0x20_2000), new(0x60_0000, 0xffff_8880_0060_0000, 0x20_2000),
                new(0x4000_0000, 0x4000_0000, 0x4000_0000), new(0x4000_0000, 0xffff_8880_4000_0000, 0x4000_0000),
            ],
            await WalkAsync(Cpu(Paging, 0x1000, Pae, LongMode)));
    }

    [Fact]
    public async Task Five_levels()
    {
        Wide(0x1000, 0, 0x2000 | Present);
        Wide(0x1000, 256, 0x2000 | Present);
        // Bit 47 is no sign here.
        Wide(0x2000, 256, 0x3000 | Present);
        Wide(0x3000, 0, 0x4000_0000 | Large | Present);

        Assert.Equal(
            [new(0x4000_0000, 0x0000_8000_0000_0000, 0x4000_0000), new(0x4000_0000, 0xff00_8000_0000_0000, 0x4000_0000)],
            await WalkAsync(Cpu(Paging, 0x1000, Pae | FiveLevels, LongMode)));
    }

    [Fact]
    public async Task What_several_processors_see_is_there_once()
    {
        Wide(0x1000, 1, 0x2000 | Present);
        Wide(0x5000, 1, 0x2000 | Present);
        Wide(0x5000, 0, 0x2000 | Present);
        Wide(0x2000, 0, 0x4000_0000 | Large | Present);
        Wide(0x2000, 1, 0x8000_0000 | Large | Present);

        Assert.Equal(
            [new(0x4000_0000, 0, 0x8000_0000), new(0x4000_0000, 0x80_0000_0000, 0x8000_0000)],
            await WalkAsync([.. Cpu(0, 0, 0, 0), .. Cpu(Paging, 0x1000, Pae, LongMode, 1), .. Cpu(Paging, 0x5000, Pae, LongMode, 2)]));
    }

    [Fact]
    public async Task A_table_that_names_itself_in_one_entry_shows_the_tables()
    {
        Wide(0x1000, 510, 0x1000 | Present);
        Wide(0x1000, 0, 0x2000 | Present);
        Wide(0x2000, 0, 0x4000_0000 | Large | Present);

        var mappings = await WalkAsync(Cpu(Paging, 0x1000, Pae, LongMode));

        Assert.Contains(new MemoryMapping(0x1000, 0xffff_ff7f_bfdf_e000, 0x1000), mappings);
        Assert.Contains(new MemoryMapping(0x4000_0000, 0, 0x4000_0000), mappings);
    }

    [Fact]
    public async Task Tables_that_name_themselves_without_end_are_refused()
    {
        for (var i = 0; i < 512; i++) Wide(0x1000, i, 0x1000 | Present);

        var refused = await Assert.ThrowsAsync<SnapshotException>(() => WalkAsync(Cpu(Paging, 0x1000, Pae, LongMode)));

        Assert.Equal((ErrorCode.Incompatible, true), (refused.Code, refused.Advice!.Contains("without --paging", StringComparison.Ordinal)));
    }

    private static IEnumerable<X86CpuState> Cpu(ulong cr0, ulong cr3, ulong cr4, uint hflags, uint index = 0)
    {
        // The layout of an undescribed CPU of 64-bit QEMU.
        var state = new byte[864];
        BinaryPrimitives.WriteUInt32BigEndian(state.AsSpan(144), hflags);
        BinaryPrimitives.WriteUInt64BigEndian(state.AsSpan(456), cr0);
        BinaryPrimitives.WriteUInt64BigEndian(state.AsSpan(472), cr3);
        BinaryPrimitives.WriteUInt64BigEndian(state.AsSpan(480), cr4);
        return X86CpuState.ReadAll([new DeviceSection("cpu", index, 12, 1, state)]);
    }

    private async Task<IReadOnlyList<MemoryMapping>> WalkAsync(IEnumerable<X86CpuState> cpus) =>
        (await new X86Processors([.. cpus]).WalkAsync(_memory, default))!;

    private void Wide(ulong table, int index, ulong entry) => BinaryPrimitives.WriteUInt64LittleEndian(_memory.Octets.AsSpan((int)table + (8 * index)), entry);

    private void Narrow(ulong table, int index, ulong entry) =>
        BinaryPrimitives.WriteUInt32LittleEndian(_memory.Octets.AsSpan((int)table + (4 * index)), (uint)entry);

    private sealed class PlainMemory : IGuestMemory
    {
        public byte[] Octets { get; } = new byte[0x8000];

        public ValueTask<bool> TryReadAsync(ulong address, Memory<byte> octets, CancellationToken cancellation)
        {
            if (address > (ulong)(Octets.Length - octets.Length)) return new(false);
            Octets.AsMemory((int)address, octets.Length).CopyTo(octets);
            return new(true);
        }
    }
}
