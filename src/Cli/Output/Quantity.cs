using System.Globalization;

namespace Cutpoint.Cli.Output;

/// <summary>Numbers as people read them: three digits and a unit.</summary>
internal static class Quantity
{
    private static readonly string[] Units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

    /// <summary>Octets, such as "221 MiB".</summary>
    public static string Bytes(double bytes)
    {
        var unit = 0;
        while (Math.Abs(bytes) >= 1000 && unit < Units.Length - 1)
        {
            bytes /= 1024;
            unit++;
        }
        return unit == 0 ? Invariant($"{bytes:F0} B") : Invariant($"{Digits(bytes)} {Units[unit]}");
    }

    /// <summary>Octets per second.</summary>
    public static string Rate(double bytesPerSecond) => $"{Bytes(bytesPerSecond)}/s";

    /// <summary>A time, such as "14.2 ms", "1.73 s" or "2 min 5 s".</summary>
    public static string Time(TimeSpan time) => time.TotalMilliseconds switch
    {
        < 1 => Invariant($"{time.TotalMicroseconds:F0} us"),
        < 1000 => $"{Digits(time.TotalMilliseconds)} ms",
        < 100_000 => $"{Digits(time.TotalSeconds)} s",
        < 7_200_000 => Invariant($"{(int)time.TotalMinutes} min {time.Seconds} s"),
        _ => Invariant($"{(int)time.TotalHours} h {time.Minutes} min"),
    };

    /// <summary>A time that may be unknown.</summary>
    public static string Time(TimeSpan? time) => time is { } known ? Time(known) : "-";

    /// <summary>A whole number with thousands set apart.</summary>
    public static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary>A moment, in the user's time zone.</summary>
    public static string When(DateTimeOffset moment) => moment.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    private static string Digits(double value) => value.ToString(value >= 99.95 ? "F0" : value >= 9.995 ? "F1" : "F2", CultureInfo.InvariantCulture);

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
