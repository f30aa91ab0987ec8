using System.Diagnostics;
using System.Text;

namespace Cutpoint.TestGuests;

/// <summary>A <c>cutpoint node</c>: a worker on a port and with a state directory of its own, or a coordinator. Killed when disposed.</summary>
public sealed class NodeProcess : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _notes = new();

    private NodeProcess(Process process, string address)
    {
        _process = process;
        Address = address;
        _process.ErrorDataReceived += (_, line) =>
        {
            lock (_notes) _notes.AppendLine(line.Data);
        };
        _process.BeginErrorReadLine();
    }

    /// <summary>Where a worker listens; empty for a coordinator.</summary>
    public string Address { get; }

    /// <summary>What it has said so far.</summary>
    public string Notes
    {
        get
        {
            lock (_notes) return _notes.ToString();
        }
    }

    /// <summary>Starts one that looks after a repository; without a secret it reaches no workers.</summary>
    public static NodeProcess StartCoordinator(CutpointProgram cutpoint, string? secretFile, params string[] more)
    {
        var process = cutpoint.Start(["node", "--roles", "coordinator", .. secretFile is null ? Array.Empty<string>() : ["--secret-file", secretFile], .. more]);
        process.StandardInput.Close();
        return new NodeProcess(process, "");
    }

    /// <summary>Starts a worker and waits until it listens.</summary>
    public static Task<NodeProcess> StartWorkerAsync(string state, string secretFile, CancellationToken cancellation, params string[] more) =>
        StartWorkerAsync("127.0.0.1:0", state, secretFile, more, cancellation);

    /// <summary>Starts a worker again that was killed, where it listened before, and waits until it does.</summary>
    public static Task<NodeProcess> StartAgainAsync(NodeProcess killed, string state, string secretFile, CancellationToken cancellation, params string[] more) =>
        StartWorkerAsync(killed.Address, state, secretFile, more, cancellation);

    private static async Task<NodeProcess> StartWorkerAsync(string listen, string state, string secretFile, string[] more, CancellationToken cancellation)
    {
        var process = new CutpointProgram(state, state).Start(["node", "--listen", listen, "--secret-file", secretFile, .. more]);
        process.StandardInput.Close();
        var line = await process.StandardOutput.ReadLineAsync(cancellation)
            ?? throw new InvalidOperationException($"the worker does not listen: {await process.StandardError.ReadToEndAsync(cancellation)}");
        return new NodeProcess(process, line.Split(' ')[^1]);
    }

    /// <summary>The guest of a URI, served by this worker.</summary>
    public string Guest(string uri) => $"//{Address}/{uri}";

    /// <summary>Sends a signal: 9 kills it, 19 stops it, 18 lets it go on, 15 asks it to end.</summary>
    public void Signal(int signal) => CutpointProgram.Signal(_process, signal);

    /// <summary>Waits until it has said something.</summary>
    public async Task HearAsync(string words, CancellationToken cancellation)
    {
        while (!Notes.Contains(words, StringComparison.Ordinal)) await Task.Delay(TimeSpan.FromMilliseconds(20), cancellation);
    }

    /// <summary>Waits for its end.</summary>
    public async Task<int> EndAsync(CancellationToken cancellation)
    {
        await _process.WaitForExitAsync(cancellation);
        return _process.ExitCode;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
