using System.Globalization;

namespace Cutpoint.Cli.Settings;

/// <summary>How values are written on the command line.</summary>
internal static class Value
{
    private static readonly (string Suffix, double Seconds)[] Times = [("ms", 1e-3), ("us", 1e-6), ("min", 60), ("s", 1), ("m", 60), ("h", 3600), ("d", 86400)];

    /// <summary>Any text.</summary>
    public static string Text(string text) => text;

    /// <summary>A whole number of at least 1.</summary>
    public static uint Positive(string text) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value > 0
            ? value
            : throw Wrong(text, "a whole number of at least 1", "3");

    /// <summary>A whole number, also 0.</summary>
    public static int Count(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : throw Wrong(text, "a whole number", "1");

    /// <summary>A time with its unit.</summary>
    public static TimeSpan Time(string text)
    {
        foreach (var (suffix, seconds) in Times)
        {
            if (!text.EndsWith(suffix, StringComparison.Ordinal)) continue;
            return double.TryParse(text.AsSpan(0, text.Length - suffix.Length), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
                && value * seconds is > 0 and < 1e9
                ? TimeSpan.FromSeconds(value * seconds)
                : throw Wrong(text, "a time", "300ms, 5s or 2m");
        }
        throw Wrong(text, "a time", "300ms, 5s or 2m");
    }

    /// <summary>A share in percent, above 0 and at most 100.</summary>
    public static double Percent(string text) =>
        double.TryParse(text.AsSpan().TrimEnd('%'), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value is > 0 and <= 100
            ? value
            : throw Wrong(text, "a share", "5%");

    /// <summary>A switch in the environment or the configuration file.</summary>
    public static bool Switch(string text) => text switch
    {
        "true" or "1" or "yes" or "on" => true,
        "false" or "0" or "no" or "off" => false,
        _ => throw Wrong(text, "a switch", "true or false"),
    };

    /// <summary>A key with its value.</summary>
    public static KeyValuePair<string, string> Label(string text)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        return equals > 0 ? new(text[..equals], text[(equals + 1)..]) : throw Wrong(text, "a label", "key=value");
    }

    /// <summary>Labels by their keys; of two with one key the last counts.</summary>
    public static Dictionary<string, string> Labels(KeyValuePair<string, string>[] labels)
    {
        var byKey = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var (key, value) in labels) byKey[key] = value;
        return byKey;
    }

    /// <summary>One of the names of an enumeration, in lower case.</summary>
    public static T Choice<T>(string text)
        where T : struct, Enum =>
        Choices<T>().Contains(text) ? Enum.Parse<T>(text, ignoreCase: true) : throw Wrong(text, "one of the choices", string.Join(", ", Choices<T>()));

    /// <summary>What <see cref="Choice"/> takes.</summary>
    public static string[] Choices<T>()
        where T : struct, Enum => [.. Enum.GetNames<T>().Select(name => name.ToLowerInvariant())];

    private static SnapshotException Wrong(string text, string what, string examples) =>
        new(ErrorCode.Usage, $"'{text}' is not {what}", $"write {examples}") { IsPreflight = true };
}
