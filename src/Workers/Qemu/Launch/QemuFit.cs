using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// Whether a guest's state fits a waiting QEMU. QEMU checks little of this itself: a missing device or another CPU loads and fails later.
/// </summary>
internal static class QemuFit
{
    /// <summary>Refuses what does not fit; else says what the QEMU calls each of the guest's blocks.</summary>
    internal static IReadOnlyDictionary<string, string> Check(GuestDescription guest, QemuIdentity target, string where)
    {
        if (guest.MachineType is { } machine && target.MachineType != machine)
        {
            throw Refuse(guest, where, $"needs the machine type {machine}, this QEMU has {target.MachineType}",
                $"start it with -machine {machine}");
        }
        if (guest.CpuModel is { } cpu && target.CpuModel != cpu)
        {
            throw Refuse(guest, where, $"needs the CPU model {cpu}, this QEMU has {target.CpuModel}", $"start it with -cpu {cpu}");
        }
        if (guest.CpuCount > 0 && target.CpuCount != guest.CpuCount)
        {
            throw Refuse(guest, where, $"has {guest.CpuCount} CPUs, this QEMU {target.CpuCount}", $"start it with -smp {guest.CpuCount}");
        }
        if (guest.Accelerator == "kvm" && target.Accelerator == "tcg")
        {
            // The other way round works.
            throw Refuse(guest, where, "was saved under KVM, and its clock does not load under TCG", "start it with -accel kvm");
        }
        return Match(guest, target, where);
    }

    private static Dictionary<string, string> Match(GuestDescription guest, QemuIdentity target, string where)
    {
        var names = new Dictionary<string, string>();
        var free = target.Blocks.Where(block => guest.Blocks.All(wanted => wanted.Name != block.Name)).ToList();
        foreach (var block in guest.Blocks)
        {
            var there = target.Blocks.FirstOrDefault(entry => entry.Name == block.Name);
            if (there is null)
            {
                // RAM goes by another name when its backend does; one block of the same size is that block.
                var same = free.Where(entry => entry.Length == block.Length && entry.IsReadOnly == block.IsReadOnly).ToList();
                if (same.Count != 1)
                {
                    throw Refuse(guest, where, $"has a RAM block '{block.Name}' of {block.Length} octets, this QEMU has none for it",
                        "start it with the same devices and -m");
                }
                there = same[0];
                free.Remove(there);
            }
            else if (there.Length != block.Length && !IsResizable(block))
            {
                throw Refuse(guest, where, $"has {block.Length} octets in the RAM block '{block.Name}', this QEMU {there.Length}",
                    "start it with the same -m");
            }
            names[block.Name] = there.Name;
        }
        if (free.Find(block => !block.IsReadOnly) is { } extra)
        {
            throw Refuse(guest, where, $"has no RAM block '{extra.Name}', this QEMU has: its devices are others",
                "start it with the same devices and -m");
        }
        return names;
    }

    /// <summary>The tables QEMU makes for the firmware take the length the stream says.</summary>
    private static bool IsResizable(RamBlock block) => block.Name.StartsWith("/rom@", StringComparison.Ordinal);

    private static SnapshotException Refuse(GuestDescription guest, string where, string what, string advice) =>
        new(ErrorCode.Incompatible, $"{where}: guest {guest.Name} {what}", advice) { IsPreflight = true };
}
