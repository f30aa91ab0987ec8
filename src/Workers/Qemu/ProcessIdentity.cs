using System.Globalization;

namespace Cutpoint.Workers.Qemu;

/// <summary>One process of this host since its boot: the number alone is given out again, number and start time never are.</summary>
/// <param name="Id">The process number.</param>
/// <param name="StartTicks">Clock ticks from boot to its start, by /proc/ID/stat.</param>
public readonly record struct ProcessIdentity(int Id, long StartTicks)
{
    /// <summary>This process.</summary>
    public static ProcessIdentity Self { get; } = Of(Environment.ProcessId) ?? new ProcessIdentity(Environment.ProcessId, 0);

    /// <summary>Names this boot of the host: process numbers and start times of another boot mean nothing.</summary>
    public static string Boot { get; } = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    /// <summary>True while the process exists and is not merely waiting to be reaped.</summary>
    public bool IsAlive => Of(Id) == this;

    /// <summary>Reads what <see cref="ToString"/> wrote; null when it is something else.</summary>
    public static ProcessIdentity? Parse(string? text) =>
        text?.Split('/') is [var id, var start] && int.TryParse(id, NumberStyles.None, CultureInfo.InvariantCulture, out var number)
        && long.TryParse(start, NumberStyles.None, CultureInfo.InvariantCulture, out var ticks) ? new ProcessIdentity(number, ticks) : null;

    /// <summary>Number and start time, as "number/start".</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Id}/{StartTicks}");

    /// <summary>The process with this number, or null when there is none.</summary>
    public static ProcessIdentity? Of(int id)
    {
        const int State = 0;
        const int Start = 19;
        try
        {
            // The name in parentheses may hold anything, a parenthesis too; the fields after the last one are plain.
            var stat = File.ReadAllText(ProcessFiles.Path(id, "stat"));
            var fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[State] is "Z" or "X" ? null : new ProcessIdentity(id, long.Parse(fields[Start], CultureInfo.InvariantCulture));
        }
        catch (Exception gone) when (gone is IOException or UnauthorizedAccessException)
        {
            // A process may also end between opening and reading; that reads as "No such process".
            return null;
        }
    }
}
