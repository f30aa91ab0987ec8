using System.Globalization;
using System.Text;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>What a worker hands to its guard: the monitor, and where it is written what must be put back.</summary>
/// <param name="Monitor">The monitor's socket; the guard owns it.</param>
/// <param name="IntentPath">The freeze intent.</param>
/// <param name="FreezeLimit">Milliseconds a guest may stay stopped, 0 for any time.</param>
internal readonly record struct GuardOrder(int Monitor, string IntentPath, long FreezeLimit)
{
    private const int MaxLength = 8192;

    /// <summary>Waits for the order. Null when the worker ends without one: nothing was changed.</summary>
    internal static unsafe GuardOrder? Receive(int channel)
    {
        Span<byte> line = stackalloc byte[MaxLength];
        Span<int> descriptors = stackalloc int[Libc.MaxDescriptors];
        var monitor = -1;
        for (var length = 0; length < MaxLength;)
        {
            var entry = new Libc.PollEntry { Descriptor = channel, Events = Libc.PollIn };
            _ = Libc.Poll(&entry, 1, -1);
            var received = Libc.Receive(channel, line[length..], descriptors, out var count);
            if (received is -Libc.WouldBlock or -Libc.Interrupted) continue;
            if (received <= 0) return null;
            if (count > 0) monitor = descriptors[0];
            length += received;
            if (line[length - 1] == '\n') return monitor < 0 ? null : Parse(monitor, line[..(length - 1)]);
        }
        return null;
    }

    private static GuardOrder? Parse(int monitor, ReadOnlySpan<byte> line)
    {
        var text = Encoding.UTF8.GetString(line);
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        return space > 0 && long.TryParse(text.AsSpan(0, space), NumberStyles.None, CultureInfo.InvariantCulture, out var limit)
            ? new GuardOrder(monitor, text[(space + 1)..], limit) : null;
    }
}
