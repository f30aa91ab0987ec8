using System.Globalization;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Reference;

/// <summary>What a reference guest is like. Written in its URI as <c>reference:NAME?ram=1GiB&amp;seed=7&amp;zero=50&amp;random=20&amp;dirty=1000</c>.</summary>
public sealed record ReferenceOptions
{
    private const long MaxRam = 1L << 42;

    /// <summary><c>ram</c>: octets of the main block, whole pages. Costs memory only where it was written.</summary>
    public long Ram { get; init; } = 256L << 20;

    /// <summary><c>seed</c>: two guests with the same options are equal, octet for octet.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary><c>zero</c>: share of the pages that are zero, in percent with up to three decimals.</summary>
    public double Zero { get; init; } = 50;

    /// <summary><c>random</c>: share of the pages that cannot be compressed, in percent. The rest are like text.</summary>
    public double Random { get; init; } = 20;

    /// <summary><c>dirty</c>: pages written per second while the guest runs.</summary>
    public int Dirty { get; init; }

    /// <summary><c>hot</c>: octets of the main block that are written to; a sixteenth of it when left out.</summary>
    public long? Hot { get; init; }

    /// <summary><c>cpus</c>: virtual CPUs, 1 to 64.</summary>
    public int Cpus { get; init; } = 1;

    /// <summary><c>paused</c>: the guest does not run.</summary>
    public bool Paused { get; init; }

    /// <summary>Pages of the main block that are written to.</summary>
    internal long HotPages => Math.Max(1, (Hot ?? Ram / 16) / Paging.PageSize);

    /// <summary>Reads the options of a guest URI.</summary>
    /// <exception cref="SnapshotException">An option is unknown or has no such value (<see cref="ErrorCode.Usage"/>).</exception>
    public static ReferenceOptions Parse(GuestUri uri)
    {
        var options = new ReferenceOptions();
        foreach (var (key, text) in uri.Options)
        {
            options = key switch
            {
                "ram" => options with { Ram = Size(uri, key, text, MaxRam) },
                "seed" => options with { Seed = Number<ulong>(uri, key, text, 0, ulong.MaxValue) },
                "zero" => options with { Zero = Share(uri, key, text) },
                "random" => options with { Random = Share(uri, key, text) },
                "dirty" => options with { Dirty = Number(uri, key, text, 0, 100_000_000) },
                "hot" => options with { Hot = Size(uri, key, text, MaxRam) },
                "cpus" => options with { Cpus = Number(uri, key, text, 1, 64) },
                "paused" => options with { Paused = Switch(uri, key, text) },
                _ => throw Wrong(uri, $"there is no option '{key}'", "the options are ram, seed, zero, random, dirty, hot, cpus and paused"),
            };
        }
        if (options.Zero + options.Random > 100)
            throw Wrong(uri, "zero and random are more than 100 percent together", "write shares such as zero=50&random=20");
        if (options.Hot > options.Ram) throw Wrong(uri, "hot is larger than ram", "write a size up to that of ram");
        return options;
    }

    private static long Size(GuestUri uri, string key, string text, long most)
    {
        var (digits, shift) = text switch
        {
            _ when text.EndsWith("KiB", StringComparison.Ordinal) => (text[..^3], 10),
            _ when text.EndsWith("MiB", StringComparison.Ordinal) => (text[..^3], 20),
            _ when text.EndsWith("GiB", StringComparison.Ordinal) => (text[..^3], 30),
            _ when text.EndsWith("TiB", StringComparison.Ordinal) => (text[..^3], 40),
            _ => (text, 0),
        };
        return long.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            && value > 0 && value <= most >> shift && (value << shift) % Paging.PageSize == 0
            ? value << shift
            : throw Wrong(uri, $"{key}={text} is no size", "write whole pages of 4 KiB up to 4 TiB, such as 8KiB, 256MiB or 64GiB");
    }

    private static T Number<T>(GuestUri uri, string key, string text, T least, T most)
        where T : System.Numerics.INumber<T> =>
        T.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value) && value >= least && value <= most
            ? value
            : throw Wrong(uri, $"{key}={text} is not a whole number from {least} to {most}", $"write {key}={least}");

    private static double Share(GuestUri uri, string key, string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value) && value is >= 0 and <= 100
            ? value
            : throw Wrong(uri, $"{key}={text} is no share", $"write a percentage from 0 to 100, such as {key}=50");

    private static bool Switch(GuestUri uri, string key, string text) => text switch
    {
        "" or "true" => true,
        "false" => false,
        _ => throw Wrong(uri, $"{key}={text} is no switch", $"write {key}=true or {key}=false"),
    };

    private static SnapshotException Wrong(GuestUri uri, string reason, string advice) =>
        new(ErrorCode.Usage, $"guest '{uri}': {reason}", advice) { IsPreflight = true };
}
