using System.Globalization;

namespace Cutpoint.TestGuests;

/// <summary>What the guest's program says on its serial line, read from the file QEMU writes.</summary>
public sealed class SerialLog(string path)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(3);

    /// <summary>The file.</summary>
    public string Path { get; } = path;

    /// <summary>Whole lines so far.</summary>
    public IReadOnlyList<string> Lines
    {
        get
        {
            if (!File.Exists(Path)) return [];
            using var reader = new StreamReader(new FileStream(Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
            var text = reader.ReadToEnd();
            return [.. text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.TrimEnd('\r'))];
        }
    }

    /// <summary>The values of the guest's counter, in the order printed.</summary>
    public IReadOnlyList<long> Counts => [.. Lines.Where(line => line.StartsWith("COUNT ", StringComparison.Ordinal)).Select(line => Field(line, "COUNT "))];

    /// <summary>What the guest complained about: its memory was wrong, its kernel logged an error, or it died.</summary>
    public IReadOnlyList<string> Complaints =>
        [.. Lines.Where(line => line.StartsWith("WRONG", StringComparison.Ordinal) || line.StartsWith("KERNEL", StringComparison.Ordinal)
            || line.Contains("panic", StringComparison.Ordinal) || (line.StartsWith("COUNT", StringComparison.Ordinal) && Field(line, "wrong=") != 0))];

    /// <summary>How far the guest is in its talk with another: the number of that name in the last line about it, or in the first; 0 before there is one.</summary>
    /// <param name="name">"asked", "answered" or "heard".</param>
    /// <param name="first">True for the first line.</param>
    public long Talked(string name, bool first = false)
    {
        var talk = Lines.Where(line => line.StartsWith("TALK ", StringComparison.Ordinal)).ToList();
        return talk.Count == 0 ? 0 : Field(first ? talk[0] : talk[^1], name + "=");
    }

    /// <summary>Numbers of the blocks the guest has written to its disk, in the order told.</summary>
    public IReadOnlyList<long> Blocks => [.. Lines.Where(line => line.StartsWith("DISK ", StringComparison.Ordinal)).Select(line => Field(line, "DISK "))];

    /// <summary>The number of the last block the guest has told of; 0 before the first.</summary>
    public long LastBlock => Blocks is [.., var last] ? last : 0;

    /// <summary>Waits until the guest has complained of something.</summary>
    /// <param name="what">How the complaint begins.</param>
    /// <param name="cancellation">Ends the wait.</param>
    public async Task WaitForComplaintAsync(string what, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (!Complaints.Any(line => line.StartsWith(what, StringComparison.Ordinal))) await timer.WaitForNextTickAsync(cancellation);
    }

    /// <summary>Waits until the guest has counted so many seconds in this file, whatever the numbers.</summary>
    /// <exception cref="TimeoutException">It has not, though minutes more than that have passed.</exception>
    public async Task WaitForCountsAsync(int lines, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        var deadline = TimeProvider.System.GetTimestamp();
        while (Counts.Count < lines)
        {
            if (TimeProvider.System.GetElapsedTime(deadline) > Patience + TimeSpan.FromSeconds(lines))
                throw new TimeoutException($"the guest printed {Counts.Count} of {lines} counter lines; the end of its serial line: {string.Join(" | ", Lines.TakeLast(4))}");
            await timer.WaitForNextTickAsync(cancellation);
        }
    }

    /// <summary>Waits until the guest has told of a block on its disk.</summary>
    public async Task WaitForBlocksAsync(long number, CancellationToken cancellation)
    {
        using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (LastBlock < number) await timer.WaitForNextTickAsync(cancellation);
    }

    private static long Field(string line, string name)
    {
        var start = line.IndexOf(name, StringComparison.Ordinal);
        if (start < 0) return 0;
        var digits = line.AsSpan(start + name.Length);
        var end = digits.IndexOfAnyExceptInRange('0', '9');
        return long.TryParse(end < 0 ? digits : digits[..end], CultureInfo.InvariantCulture, out var value) ? value : 0;
    }
}
