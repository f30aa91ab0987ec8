using System.Globalization;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>
/// The most anonymous memory a process and its children had at one time (RssAnon: the collected heap, native pools, stacks), looked at every 10 ms.
/// </summary>
internal sealed class MemoryWatch : IAsyncDisposable
{
    private readonly PeriodicTimer _timer = new(TimeSpan.FromMilliseconds(10));
    private readonly int _process;
    private readonly Task _watching;
    private long _peak;

    /// <summary>Begins to look.</summary>
    public MemoryWatch(int process)
    {
        _process = process;
        _watching = WatchAsync();
    }

    /// <summary>The most so far, in octets.</summary>
    public long Peak => Interlocked.Read(ref _peak);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _timer.Dispose();
        await _watching;
    }

    private async Task WatchAsync()
    {
        while (await _timer.WaitForNextTickAsync())
        {
            var now = AnonymousOf(_process) + ChildrenOf(_process).Sum(AnonymousOf);
            if (now > Peak) Interlocked.Exchange(ref _peak, now);
        }
    }

    /// <summary>A child is listed with the thread that started it.</summary>
    private static IEnumerable<int> ChildrenOf(int process)
    {
        var threads = $"/proc/{process}/task";
        if (!Directory.Exists(threads)) return [];
        try
        {
            return [.. Directory.GetDirectories(threads)
                .SelectMany(thread => Read(Path.Combine(thread, "children")).Split(' ', StringSplitOptions.RemoveEmptyEntries))
                .Select(child => int.Parse(child, CultureInfo.InvariantCulture))];
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
    }

    private static long AnonymousOf(int process)
    {
        var line = Read($"/proc/{process}/status").Split('\n').FirstOrDefault(l => l.StartsWith("RssAnon:", StringComparison.Ordinal));
        return line is null ? 0 : long.Parse(line["RssAnon:".Length..].Replace("kB", "").Trim(), CultureInfo.InvariantCulture) << 10;
    }

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            // It has ended.
            return "";
        }
    }
}
