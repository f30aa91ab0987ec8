using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Export;

/// <summary>Takes the memory of a QEMU guest out of a file into staged memory, and describes the guest by what the file says.</summary>
internal sealed class FileGuest(StagedMemory memory) : IQemuStreamVisitor
{
    private const string CpuDevice = "cpu_common";

    private QemuConfiguration? _configuration;
    private IReadOnlyList<QemuRamBlock> _blocks = [];

    /// <summary>How many CPUs there are.</summary>
    public static int CpusOf(IReadOnlyList<DeviceSection> devices) => devices.Count(device => device.Name == CpuDevice);

    /// <summary>The guest, when the whole file was read. Name and URI are left empty: they are not in the file.</summary>
    public GuestDescription Describe(IReadOnlyList<DeviceSection> devices) => new()
    {
        Driver = "qemu",
        Name = "",
        Uri = "",
        MachineType = _configuration!.MachineName,
        CpuCount = CpusOf(devices),
        Blocks = memory.Blocks,
        Memory = MapOf(devices),
        // A stream without a run state comes from a machine too old to send it, and its receiver runs.
        WasRunning = QemuStoredState.RunStateOf(devices) is null or "running",
        Properties = QemuStoredState.PropertiesOf(_configuration, devices),
    };

    /// <inheritdoc/>
    public void OnConfiguration(QemuConfiguration configuration)
    {
        if (configuration.IgnoresShared)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, "the pages of the guest's shared memory are not in this file: it was saved with x-ignore-shared",
                "take the guest with 'cutpoint take', or save it without that capability");
        }
        if (configuration.PageSize != Paging.PageSize)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"the guest has pages of {configuration.PageSize} octets, checkpoints have pages of {Paging.PageSize}",
                "inspect the file instead");
        }
        _configuration = configuration;
    }

    /// <inheritdoc/>
    public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks)
    {
        _blocks = blocks;
        foreach (var block in blocks) memory.AddBlock(new RamBlock(block.Name, block.Length, RamBlockTable.IsRom(block.Name)));
    }

    /// <inheritdoc/>
    public void OnPage(int block, long offset, ReadOnlySpan<byte> page) => memory.Write(block, offset, page);

    /// <inheritdoc/>
    public void OnZeroPage(int block, long offset) => memory.WriteZero(block, offset);

    /// <inheritdoc/>
    public bool TryReadPage(int block, long offset, Span<byte> page)
    {
        memory.Read(block, offset, page);
        return true;
    }

    private IReadOnlyList<MemoryRange> MapOf(IReadOnlyList<DeviceSection> devices)
    {
        try
        {
            var map = GuestPhysicalMap.Derive(_configuration!, _blocks, devices);
            return [.. map.Ranges.Select(range => new MemoryRange(range.Address, range.Length, range.Block, (ulong)range.Offset))];
        }
        catch (SnapshotException e) when (e.Code == ErrorCode.Incompatible)
        {
            // A machine whose layout is not known can be restored all the same; only formats that go by addresses refuse it.
            return [];
        }
    }
}
