using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;

namespace Cutpoint.TestGuests;

/// <summary>The published executable, called as a user would call it, with a repository and a state directory of its own.</summary>
/// <param name="repository">The repository.</param>
/// <param name="state">Stands for the user's state directory.</param>
public sealed partial class CutpointProgram(string repository, string state)
{
    private static readonly TimeSpan CleaningUp = TimeSpan.FromSeconds(15);

    /// <summary>The repository's directory.</summary>
    public string Repository { get; } = repository;

    /// <summary>Runs it to its end.</summary>
    public async Task<CutpointResult> RunAsync(CancellationToken cancellation, params string[] arguments)
    {
        using var process = Start(arguments);
        return await FinishAsync(process, cancellation);
    }

    /// <summary>Runs it with --json; it must succeed.</summary>
    /// <exception cref="InvalidOperationException">It failed; its words.</exception>
    public async Task<JsonNode> QueryAsync(CancellationToken cancellation, params string[] arguments)
    {
        var result = await RunAsync(cancellation, [.. arguments, "--json"]);
        if (result.ExitCode != 0) throw new InvalidOperationException($"cutpoint {string.Join(' ', arguments)}: exit {result.ExitCode}: {result.Output}{result.Error}");
        return JsonNode.Parse(result.Output)!;
    }

    /// <summary>Starts it; its output is read by <see cref="FinishAsync"/>.</summary>
    public Process Start(params string[] arguments) => Process.Start(Command(arguments))!;

    /// <summary>How it is started, for callers that want the terminal for it.</summary>
    public ProcessStartInfo Command(params string[] arguments)
    {
        var start = new ProcessStartInfo(GuestKit.Executable, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        start.Environment["CUTPOINT_REPOSITORY"] = Repository;
        start.Environment["XDG_STATE_HOME"] = state;
        start.Environment["CUTPOINT_CONFIG"] = Path.Combine(state, "config.json");
        // On a host as busy as one that tests, a guest may stand still for longer than a user would allow; that is not what takes that name no limit are about.
        start.Environment["CUTPOINT_TAKE_FREEZE_LIMIT"] = "60s";
        return start;
    }

    /// <summary>Reads what a started one says and waits for its end.</summary>
    public static async Task<CutpointResult> FinishAsync(Process process, CancellationToken cancellation)
    {
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync(cancellation);
        var error = process.StandardError.ReadToEndAsync(cancellation);
        try
        {
            await process.WaitForExitAsync(cancellation);
            return new CutpointResult(process.ExitCode, await output, await error);
        }
        catch (OperationCanceledException)
        {
            await StopAsync(process);
            throw;
        }
    }

    /// <summary>Ends a started one as a service manager does: first it may clean up.</summary>
    public static async Task StopAsync(Process process)
    {
        const int Terminate = 15;
        if (!process.HasExited) Signal(process, Terminate);
        using var patience = new CancellationTokenSource(CleaningUp);
        try
        {
            await process.WaitForExitAsync(patience.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill();
        }
    }

    /// <summary>Sends a signal, such as 2 for Ctrl-C or 9 to kill.</summary>
    public static void Signal(Process process, int signal) => Signal(process.Id, signal);

    /// <summary>The same for one that is known by its number.</summary>
    public static void Signal(int process, int signal) => _ = Kill(process, signal);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
