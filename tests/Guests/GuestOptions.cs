namespace Cutpoint.TestGuests;

/// <summary>Where a guest's RAM lies: decides which transports it offers.</summary>
public enum GuestRam
{
    /// <summary>A shared file (memory-backend-file,share=on).</summary>
    File,

    /// <summary>A shared memfd.</summary>
    Memfd,

    /// <summary>QEMU's own private memory.</summary>
    Private,
}

/// <summary>What guest to start.</summary>
public sealed record GuestOptions
{
    /// <summary>256 MiB and 8 KiB: no multiple of 256 KiB, so that no QEMU before 9.0 loses writes in a live multi-pass migration under TCG.</summary>
    public const long DefaultRamKiB = 262152;

    /// <summary>Machine with its options, such as "pc" or "q35,max-ram-below-4g=128M".</summary>
    public string Machine { get; init; } = "pc";

    public int Cpus { get; init; } = 1;

    /// <summary>True for QEMU's default devices (VGA, e1000 and more), false for -nodefaults.</summary>
    public bool DefaultDevices { get; init; }

    public GuestRam Ram { get; init; } = GuestRam.File;

    public long RamKiB { get; init; } = DefaultRamKiB;

    /// <summary>Adds a vmcoreinfo device; the guest's kernel writes its note into it.</summary>
    public bool VmCoreInfo { get; init; }

    /// <summary>MiB of self-checking pages.</summary>
    public int ArenaMiB { get; init; } = 16;

    /// <summary>Self-checking pages rewritten per second.</summary>
    public int PagesPerSecond { get; init; } = 1000;

    /// <summary>A file the guest reads as a virtio disk, of which it keeps <see cref="FillMiB"/> in its memory; null for none.</summary>
    public string? Disk { get; init; }

    /// <summary>MiB read from the disk at boot and kept.</summary>
    public int FillMiB { get; init; }

    /// <summary>
    /// A writable image of the guest's first virtio disk, as -drive takes it: "file=PATH,format=raw". The guest writes numbered blocks to it and tells each one;
    /// null for none.
    /// </summary>
    public string? Numbers { get; init; }

    /// <summary>What the guest does on the network of its first card: 1 asks, 2 answers, 0 nothing.</summary>
    public int Talk { get; init; }

    /// <summary>Further arguments of QEMU.</summary>
    public IReadOnlyList<string> Extra { get; init; } = [];

    /// <summary>The arguments of QEMU, with its files in a directory.</summary>
    public IReadOnlyList<string> Arguments(string directory)
    {
        // no_timer_check: on a busy host the timer of an emulated machine may be late, and the kernel would take it for broken.
        var append = $"console=ttyS0 panic=-1 quiet loglevel=1 no_timer_check cp.arena={ArenaMiB} cp.rate={PagesPerSecond} cp.fill={FillMiB} cp.talk={Talk}{(Numbers is null ? "" : " cp.disk=vda")}";
        List<string> arguments =
        [
            "-accel", Accelerator, "-m", $"{RamKiB}K", "-smp", $"{Cpus}",
            "-kernel", GuestKit.Kernel, "-initrd", GuestKit.InitialRamDisk, "-append", append,
            "-display", "none", "-no-reboot", "-serial", $"file:{directory}/serial", "-qmp", $"unix:{directory}/qmp,server=on,wait=off",
        ];
        if (Ram == GuestRam.Private)
        {
            arguments.AddRange(["-machine", Machine]);
        }
        else
        {
            var backend = Ram == GuestRam.File ? $"memory-backend-file,mem-path={directory}/ram" : "memory-backend-memfd";
            arguments.AddRange(["-object", $"{backend},id=ram0,size={RamKiB}K,share=on", "-machine", $"{Machine},memory-backend=ram0"]);
        }
        if (!DefaultDevices) arguments.Add("-nodefaults");
        if (VmCoreInfo) arguments.AddRange(["-device", "vmcoreinfo"]);
        if (Disk is not null) arguments.AddRange(["-drive", $"file={Disk},format=raw,if=none,id=d0,read-only=on", "-device", "virtio-blk-pci,drive=d0"]);
        if (Numbers is not null) arguments.AddRange(["-drive", $"{Numbers},if=virtio"]);
        arguments.AddRange(Extra);
        return arguments;
    }

    /// <summary>KVM only where the processor virtualises: a /dev/kvm without it cannot run a Linux guest.</summary>
    public static string Accelerator { get; } =
        File.Exists("/dev/kvm") && File.ReadLines("/proc/cpuinfo").Any(line => line.StartsWith("flags", StringComparison.Ordinal)
            && (line.Contains(" vmx", StringComparison.Ordinal) || line.Contains(" svm", StringComparison.Ordinal)))
            ? "kvm"
            : "tcg,thread=multi";
}
