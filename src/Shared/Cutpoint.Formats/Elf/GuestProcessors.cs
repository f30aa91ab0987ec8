using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Elf;

/// <summary>What the processors of a guest contribute to its dump. One class for each architecture. Immutable.</summary>
public abstract class GuestProcessors
{
    /// <summary>The guest's architecture.</summary>
    public abstract ElfMachine Machine { get; }

    /// <summary>Order of the octets in every field of the dump.</summary>
    public abstract bool IsBigEndian { get; }

    /// <summary>How many there are.</summary>
    public abstract int Count { get; }

    /// <summary>Octets of a page in a kdump file.</summary>
    public abstract int BlockSize { get; }

    /// <summary>The architecture's name in a kdump file, as uname tells it.</summary>
    public abstract string MachineName { get; }

    /// <summary>True when the guest uses 64-bit addresses, whatever its memory needs.</summary>
    protected abstract bool Is64Bit { get; }

    /// <summary>Reads the processors of a guest.</summary>
    /// <param name="devices">All devices of its stream.</param>
    /// <exception cref="SnapshotException">No architecture known has such processors.</exception>
    public static GuestProcessors Read(IReadOnlyCollection<DeviceSection> devices)
    {
        ArgumentNullException.ThrowIfNull(devices);
        return devices.FirstOrDefault(device => device.Name == "cpu") is { } cpu && ArmCpuState.Matches(cpu)
            ? new ArmProcessors(ArmCpuState.ReadAll(devices))
            : new X86Processors(X86CpuState.ReadAll(devices));
    }

    /// <summary>How the fields of a dump of some memory lie: addresses above 4 GiB need the wide class.</summary>
    public ElfTarget Target(IReadOnlyList<DumpRange> memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        // A range that ends exactly at 4 GiB makes QEMU choose the wide class; every pc has one, the firmware.
        var isWide = Is64Bit || memory.Any(range => range.Last >= uint.MaxValue);
        return new ElfTarget(Machine, isWide ? ElfClass.Bits64 : ElfClass.Bits32, IsBigEndian);
    }

    /// <summary>The registers as notes, in the order readers expect.</summary>
    public abstract IReadOnlyList<ElfNote> Notes();

    /// <summary>Where the kernel lies in guest-physical memory, relative to where it was linked for.</summary>
    /// <param name="note">The kernel's VMCOREINFO note, or null.</param>
    /// <param name="memory">The guest's memory.</param>
    public abstract ulong PhysicalBase(ElfNote? note, IReadOnlyList<DumpRange> memory);

    /// <summary>The virtual addresses the guest sees its memory at.</summary>
    /// <param name="memory">The guest's memory.</param>
    /// <param name="cancellation">Cancels the walk.</param>
    /// <returns>The mappings, ascending by physical and virtual address, joined where they continue one another; null when the guest uses no paging.</returns>
    /// <exception cref="SnapshotException">The page tables lead to more mappings than are walked.</exception>
    public abstract Task<IReadOnlyList<MemoryMapping>?> WalkAsync(IGuestMemory memory, CancellationToken cancellation);
}
