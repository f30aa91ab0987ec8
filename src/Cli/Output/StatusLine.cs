namespace Cutpoint.Cli.Output;

/// <summary>
/// Where progress goes: a line of the terminal that is written over and over, or a line every ten seconds when standard error is no terminal.
/// Safe for concurrent use.
/// </summary>
internal sealed class StatusLine(TimeProvider clock) : IDisposable
{
    private static readonly TimeSpan Redraw = TimeSpan.FromMilliseconds(100), Quiet = TimeSpan.FromSeconds(10);

    private readonly Lock _lock = new();
    private readonly long _started = clock.GetTimestamp();
    private long _last = clock.GetTimestamp();
    private bool _drawn;

    /// <summary>True when the line can be drawn over.</summary>
    public bool IsTerminal { get; } = !Console.IsErrorRedirected;

    /// <summary>Time since the start.</summary>
    public TimeSpan Elapsed => clock.GetElapsedTime(_started);

    /// <summary>Shows the state of things, unless that was done a moment ago.</summary>
    /// <param name="describe">Called only when the line is shown.</param>
    /// <param name="now">True for news a person on a terminal should not miss.</param>
    public void Show(Func<string> describe, bool now = false)
    {
        lock (_lock)
        {
            if (clock.GetElapsedTime(_last) < (IsTerminal ? Redraw : Quiet) && !(now && IsTerminal)) return;
            _last = clock.GetTimestamp();
            if (IsTerminal) Console.Error.Write($"\r\e[K{Fit(describe())}");
            else Console.Error.WriteLine(describe());
            _drawn = IsTerminal;
        }
    }

    /// <summary>Writes a line that stays.</summary>
    public void Say(string line)
    {
        lock (_lock)
        {
            Clear();
            Console.Error.WriteLine(line);
        }
    }

    /// <summary>Takes the line off the terminal.</summary>
    public void Dispose()
    {
        lock (_lock) Clear();
    }

    /// <summary>A bar for a share of 0 to 1; nothing when it cannot be drawn over.</summary>
    public string Bar(double share)
    {
        const int Width = 20;
        var full = (int)Math.Round(Math.Clamp(share, 0, 1) * Width);
        return IsTerminal ? $"[{new string('#', full)}{new string('.', Width - full)}] " : "";
    }

    private static string Fit(string line) => Console.WindowWidth is > 10 and var width && line.Length >= width ? line[..(width - 1)] : line;

    private void Clear()
    {
        if (_drawn) Console.Error.Write("\r\e[K");
        _drawn = false;
    }
}
