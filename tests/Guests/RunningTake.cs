using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;

namespace Cutpoint.TestGuests;

/// <summary>A take that is under way, seen through its progress lines.</summary>
public sealed class RunningTake : IAsyncDisposable
{
    private readonly Process _process;
    private readonly Task<string> _output;
    private readonly StringBuilder _error = new();

    private RunningTake(Process process)
    {
        _process = process;
        _process.StandardInput.Close();
        _output = process.StandardOutput.ReadToEndAsync();
    }

    /// <summary>Starts a take.</summary>
    public static RunningTake Start(CutpointProgram cutpoint, params string[] arguments) => new(cutpoint.Start(["take", "--json", .. arguments]));

    /// <summary>The phase last told of.</summary>
    public string? Phase { get; private set; }

    /// <summary>Waits until it tells of a phase. False when it ended before.</summary>
    public async Task<bool> ReachAsync(string phase, CancellationToken cancellation)
    {
        while (await ReadAsync(cancellation))
        {
            if (Phase == phase) return true;
        }
        return false;
    }

    /// <summary>Sends a signal: 2 as Ctrl-C does, 9 to kill.</summary>
    public void Signal(int signal) => CutpointProgram.Signal(_process, signal);

    /// <summary>Waits for its end.</summary>
    public async Task<CutpointResult> EndAsync(CancellationToken cancellation)
    {
        while (await ReadAsync(cancellation)) continue;
        await _process.WaitForExitAsync(cancellation);
        return new CutpointResult(_process.ExitCode, await _output, _error.ToString());
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }

    private async Task<bool> ReadAsync(CancellationToken cancellation)
    {
        if (await _process.StandardError.ReadLineAsync(cancellation) is not { } line) return false;
        if (line.StartsWith('{') && (string?)JsonNode.Parse(line)!["phase"] is { } phase) Phase = phase;
        else _error.AppendLine(line);
        return true;
    }
}
