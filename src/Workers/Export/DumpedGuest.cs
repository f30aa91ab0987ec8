using Cutpoint.Formats.Elf;
using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>What a dump of a stored guest says, in whichever format: its processors, its memory and the note of its kernel.</summary>
internal sealed class DumpedGuest
{
    private DumpedGuest(StoredMemory memory, IReadOnlyList<MemoryRange> runs, GuestProcessors processors, ElfNote? guestNote)
    {
        Memory = memory;
        Runs = runs;
        Ranges = [.. runs.Select(run => new DumpRange(run.Address, run.Length))];
        Processors = processors;
        GuestNote = guestNote;
        Target = processors.Target([.. memory.Runs.Where(IsMemory).Select(run => new DumpRange(run.Address, run.Length))]);
    }

    /// <summary>All of the guest's memory.</summary>
    public StoredMemory Memory { get; }

    /// <summary>The memory in the dump, ascending.</summary>
    public IReadOnlyList<MemoryRange> Runs { get; }

    /// <summary>The same as addresses.</summary>
    public IReadOnlyList<DumpRange> Ranges { get; }

    /// <summary>The processors.</summary>
    public GuestProcessors Processors { get; }

    /// <summary>The kernel's VMCOREINFO note, or null.</summary>
    public ElfNote? GuestNote { get; }

    /// <summary>How the fields of the dump lie. Decided by all of the memory, whatever range is dumped.</summary>
    public ElfTarget Target { get; }

    /// <summary>All notes, in the order readers expect.</summary>
    public IReadOnlyList<ElfNote> Notes => GuestNote is null ? Processors.Notes() : [.. Processors.Notes(), GuestNote];

    /// <summary>Reads what is needed of a guest.</summary>
    /// <exception cref="SnapshotException">It is no guest of QEMU with a known architecture, or the range has no memory.</exception>
    public static async Task<DumpedGuest> LoadAsync(Exporter exporter, CancellationToken cancellation)
    {
        var guest = exporter.Guest;
        if (guest.Description.Driver != "qemu")
            throw new SnapshotException(
                ErrorCode.Incompatible, $"guest {guest.Description.Name} of driver '{guest.Description.Driver}' has no processors a dump could show",
                "export it as raw or ber") { IsPreflight = true };
        var devices = QemuStoredState.SectionsOf(guest.Description, guest.Devices);
        var processors = GuestProcessors.Read(devices);
        var memory = new StoredMemory(guest);
        IReadOnlyList<MemoryRange> runs = [.. memory.Runs.Where(IsMemory)];
        if (exporter is { Begin: { } begin, Length: { } length })
        {
            runs = [.. memory.Within(new DumpRange(begin, length)).Where(IsMemory)];
            if (runs.Count == 0)
                throw new SnapshotException(
                    ErrorCode.Usage, $"guest {guest.Description.Name} has no memory from {begin:#x} on for {length:#x} octets", "give another range") { IsPreflight = true };
        }
        var note = await ReadNoteAsync(devices, memory, processors, exporter.Notes, cancellation);
        return new DumpedGuest(memory, runs, processors, note);
    }

    /// <summary>
    /// Flash is a device that answers commands, not memory: QEMU leaves it out, and readers take the first address in a dump of an ARM guest for the start of its RAM.
    /// </summary>
    private static bool IsMemory(MemoryRange run) => !QemuRamBlock.IsFlash(run.Block);

    private static async Task<ElfNote?> ReadNoteAsync(
        IReadOnlyList<DeviceSection> devices, StoredMemory memory, GuestProcessors processors, List<string> remarks, CancellationToken cancellation)
    {
        if (VmCoreInfo.TryFind(devices, out var place, out var reason))
        {
            var octets = new byte[place.Length];
            if (await memory.TryReadAsync(place.Address, octets, cancellation) && VmCoreInfo.Read(octets, processors.IsBigEndian) is { } note) return note;
            reason = $"the guest's memory has no note at {place.Address:#x}, where its vmcoreinfo device says";
        }
        if (reason is not null) remarks.Add($"no VMCOREINFO note in the dump: {reason}");
        return null;
    }
}
