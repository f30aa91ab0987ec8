namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// One option of a QEMU command line: its name without dashes, and its argument if it takes one. A bare word is a disk image.
/// </summary>
internal readonly record struct QemuOption(string? Name, string? Argument)
{
    /// <summary>Options without an argument, of every QEMU this program is likely to meet. All others take one.</summary>
    private static readonly HashSet<string> Flags =
    [
        "h", "help", "version", "mem-prealloc", "audio-help", "snapshot", "usb", "nographic", "sdl", "curses", "no-frame", "alt-grab",
        "ctrl-grab", "no-quit", "portrait", "full-screen", "win2k-hack", "no-fd-bootchk", "no-acpi", "no-hpet", "singlestep", "preconfig",
        "S", "enable-kvm", "no-kvm", "no-kvm-irqchip", "daemonize", "no-reboot", "no-shutdown", "s", "nodefaults", "no-user-config",
        "nouserconfig", "old-param", "semihosting", "only-migratable", "enable-fips", "enable-sync-profile", "async-teardown", "xen-attach",
        "xen-domid-restrict",
    ];

    /// <summary>Reads the arguments of a command line, without the program.</summary>
    internal static List<QemuOption> Parse(IEnumerable<string> arguments)
    {
        var options = new List<QemuOption>();
        using var words = arguments.GetEnumerator();
        while (words.MoveNext())
        {
            var word = words.Current;
            if (!word.StartsWith('-') || word.Length == 1)
            {
                options.Add(new QemuOption(null, word));
                continue;
            }
            var name = word.StartsWith("--", StringComparison.Ordinal) ? word[2..] : word[1..];
            options.Add(new QemuOption(name, Flags.Contains(name) ? null : words.MoveNext() ? words.Current : null));
        }
        return options;
    }

    internal IEnumerable<string> ToArguments()
    {
        if (Name is not null) yield return "-" + Name;
        if (Argument is not null) yield return Argument;
    }
}
