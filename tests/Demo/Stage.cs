using System.Diagnostics;

namespace Cutpoint.Demo;

/// <summary>Tells on the terminal what the demo does: a bar, what is under way, and how long it took.</summary>
internal sealed class Stage(int count)
{
    private const int Width = 24;
    private readonly bool _terminal = !Console.IsOutputRedirected;
    private int _done;

    /// <summary>Runs one step. A failed check ends the demo: it names the step and what was wrong.</summary>
    public async Task<T> RunAsync<T>(string what, Func<Task<T>> step)
    {
        var watch = Stopwatch.StartNew();
        if (_terminal) Console.Write($"{Line(what)}\r");
        try
        {
            var result = await step();
            if (_terminal) Console.Write("\e[K");
            Console.WriteLine($"{Line(what),-108} {watch.Elapsed.TotalSeconds,6:F1} s");
            _done++;
            return result;
        }
        catch (Exception exception) when (exception is not DemoException)
        {
            throw new DemoException($"{what}: {exception.Message}", exception);
        }
    }

    /// <summary>Runs one step without a result.</summary>
    public Task RunAsync(string what, Func<Task> step) => RunAsync(what, async () =>
    {
        await step();
        return 0;
    });

    /// <summary>Prints what a command said, indented.</summary>
    public static void Show(string command, string output, int lines = int.MaxValue)
    {
        Console.WriteLine($"    $ cutpoint {command}");
        var all = output.TrimEnd().Split('\n');
        foreach (var line in all.Take(lines)) Console.WriteLine($"    {line}");
        if (all.Length > lines) Console.WriteLine($"    … {all.Length - lines} lines more");
    }

    private string Line(string what)
    {
        var full = (_done + 1) * Width / count;
        return $"[{new string('#', full)}{new string('.', Width - full)}] {_done + 1,2}/{count} {what}";
    }
}
