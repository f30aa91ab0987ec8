using System.Diagnostics;
using System.Runtime.InteropServices;
using Cutpoint.Demo;
using Cutpoint.TestGuests;

const int Interrupted = 130;
using var source = new CancellationTokenSource(TimeSpan.FromMinutes(15));
// Ctrl-C, a service manager, a terminal that is closed: each ends the demo after it has cleaned up.
var signals = new[] { PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP }.Select(signal => PosixSignalRegistration.Create(signal, context =>
{
    context.Cancel = true;
    source.Cancel();
})).ToList();
var directory = Directory.CreateTempSubdirectory("cutpoint-demo-");
try
{
    await using var demonstration = new Demonstration(directory.FullName, source.Token);
    await demonstration.RunAsync();
    return 0;
}
catch (Exception exception) when (source.IsCancellationRequested)
{
    Console.Error.WriteLine($"\ndemo: stopped: {exception.Message}");
    return Interrupted;
}
catch (DemoException exception)
{
    Console.Error.WriteLine($"\ndemo: {exception.Message}");
    return 1;
}
finally
{
    // A guest that had just been started when the demo was stopped is known to nobody.
    foreach (var stray in Guest.FindUnder(directory.FullName))
    {
        using var process = Process.GetProcessById(stray);
        process.Kill();
        process.WaitForExit();
    }
    directory.Delete(recursive: true);
    signals.ForEach(signal => signal.Dispose());
}
