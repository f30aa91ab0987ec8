using System.Runtime.InteropServices;

namespace Cutpoint.Cli;

/// <summary>
/// SIGINT and SIGTERM. The first cancels the work, which puts the guest back before it ends. The second ends the process at once: the guard process of a
/// capture then thaws the guest by itself.
/// </summary>
internal sealed class Interrupt : IDisposable
{
    private readonly CancellationTokenSource _source = new();
    private readonly PosixSignalRegistration[] _registrations;

    public Interrupt() => _registrations =
        [.. new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, OnSignal))];

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
        _source.Cancel();
    }
}
