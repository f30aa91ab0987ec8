using System.Runtime.InteropServices;

namespace Cutpoint.Cli;

/// <summary>
/// SIGINT, SIGTERM and SIGHUP. The first cancels the work, which puts the guest back before it ends. The second ends the process at once: the guard process of a
/// capture then thaws the guest by itself. A SIGTERM means the process and not the work: what another process can go on with is left to it.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    private static readonly CancellationTokenSource EndingSource = new();

    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    public Interrupt() => _registrations =
        [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, OnSignal))];

    /// <summary>Cancelled at a SIGTERM, before <see cref="Token"/> is.</summary>
    public static CancellationToken Ending => EndingSource.Token;

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        foreach (var registration in _registrations) registration.Dispose();
        _source.Dispose();
    }

    private void OnSignal(PosixSignalContext context)
    {
        if (_source.IsCancellationRequested) return;
        context.Cancel = true;
        if (!Console.IsErrorRedirected) Console.Error.WriteLine("\ncutpoint: stopping, the guest is put back first — once more ends at once");
        if (context.Signal == PosixSignal.SIGTERM) EndingSource.Cancel();
        _source.Cancel();
    }
}
