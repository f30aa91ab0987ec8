using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Guard;

namespace Cutpoint.Workers.Tests.Qemu;

/// <summary>A real QEMU with the toy guest, in a directory of its own; both are gone after disposal.</summary>
internal sealed partial class ToyGuest : IAsyncDisposable
{
    /// <summary>Longer than any test waits: what a test is not about does not thaw the guest.</summary>
    internal static readonly TimeSpan FreezeLimit = TimeSpan.FromMinutes(5);

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly Process _process;

    private ToyGuest(string directory, Process process)
    {
        Directory = directory;
        _process = process;
    }

    internal string Directory { get; }

    internal string Socket => Path.Combine(Directory, "qmp");

    internal string SerialSocket => Path.Combine(Directory, "serial");

    internal string SerialLog => Path.Combine(Directory, "serial.log");

    internal int ProcessId => _process.Id;

    internal bool HasExited => _process.HasExited;

    internal QemuSessionOptions SessionOptions => new()
    {
        Intents = new FreezeIntents(Path.Combine(Directory, "freeze")), Guard = TestProgram.Guard, FreezeLimit = FreezeLimit,
    };

    internal static string MakeDirectory() => System.IO.Directory.CreateTempSubdirectory("cutpoint-test-").FullName;

    /// <summary>Starts a guest and waits until its program is up.</summary>
    /// <param name="machine">Arguments for the machine; must give it RAM.</param>
    internal static async Task<ToyGuest> StartAsync(params string[] machine)
    {
        var guest = Launch(machine);
        await guest.WaitForSerialAsync("READY");
        return guest;
    }

    /// <summary>Starts a guest and waits until its monitor can be reached.</summary>
    internal static ToyGuest Launch(params string[] machine)
    {
        var directory = MakeDirectory();
        var kernel = WriteKernel(directory);
        string[] arguments =
        [
            "-nodefaults", "-display", "none", "-no-reboot", "-accel", "tcg", .. machine.Length == 0 ? ["-m", "16"] : machine,
            "-kernel", kernel, "-append", "mb=2 ppt=8 khz=200000",
            "-chardev", $"socket,id=serial,path={directory}/serial,server=on,wait=off,logfile={directory}/serial.log",
            "-serial", "chardev:serial",
            "-qmp", $"unix:{directory}/qmp,server=on,wait=off",
        ];
        var process = Process.Start(new ProcessStartInfo("qemu-system-x86_64", arguments)
        {
            WorkingDirectory = directory, RedirectStandardInput = true,
        })!;
        return new ToyGuest(directory, process);
    }

    /// <summary>A guest that something else has started in a directory of this layout.</summary>
    internal static ToyGuest Adopt(string directory, int process) => new(directory, Process.GetProcessById(process));

    internal static string WriteKernel(string directory)
    {
        var kernel = Path.Combine(directory, "toy.elf");
        using var resource = typeof(ToyGuest).Assembly.GetManifestResourceStream("toy.elf")!;
        using var file = File.Create(kernel);
        resource.CopyTo(file);
        return kernel;
    }

    /// <summary>The last counter the guest printed.</summary>
    internal int Counter => Counters().LastOrDefault();

    internal async Task WaitForSerialAsync(string text) => await UntilAsync(() => SerialText().Contains(text, StringComparison.Ordinal));

    /// <summary>Waits until the guest has counted on, so it runs.</summary>
    internal async Task WaitUntilItCountsAsync()
    {
        var before = Counter;
        await UntilAsync(() => Counter > before);
    }

    internal Task WaitUntilItCountsPastAsync(int counter) => UntilAsync(() => Counter > counter);

    /// <summary>Has the guest check its own memory; the pages it finds wrong.</summary>
    internal async Task<int> VerifyAsync()
    {
        var before = Verifications(SerialText()).Count;
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(SerialSocket));
        await socket.SendAsync("v"u8.ToArray());
        // A client that does not read blocks the guest's serial line.
        var drained = Task.Run(async () =>
        {
            var sink = new byte[4096];
            while (await socket.ReceiveAsync(sink) > 0) ;
        });
        await UntilAsync(() => Verifications(SerialText()).Count > before);
        socket.Shutdown(SocketShutdown.Both);
        await drained;
        return int.Parse(Verifications(SerialText())[^1].Groups[1].Value, CultureInfo.InvariantCulture);
    }

    /// <summary>Waits until the monitor takes a client: its socket is there a moment before QEMU listens.</summary>
    internal Task UntilItListensAsync() => UntilAsync(() => File.ReadLines("/proc/net/unix").Any(
        line => line.EndsWith(" " + Socket, StringComparison.Ordinal) && line.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3] == "00010000"));

    internal async Task UntilAsync(Func<bool> condition)
    {
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (_process.HasExited) throw new InvalidOperationException($"QEMU ended; serial: {SerialText()}");
            if (clock.Elapsed > Patience) throw new TimeoutException($"not within {Patience}; serial: {SerialText()}");
            await Task.Delay(5);
        }
    }

    internal void Kill() => _process.Kill();

    internal Task WaitForExitAsync() => _process.WaitForExitAsync();

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    private string SerialText()
    {
        if (!File.Exists(SerialLog)) return "";
        using var file = new FileStream(SerialLog, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        return new StreamReader(file).ReadToEnd();
    }

    private IEnumerable<int> Counters() =>
        CounterPattern().Matches(SerialText()).Select(match => int.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture));

    private static MatchCollection Verifications(string text) => VerifyPattern().Matches(text);

    [GeneratedRegex(@"CNT (\d+) ")]
    private static partial Regex CounterPattern();

    [GeneratedRegex(@"VERIFY pages=\d+ bad=(\d+) cnt")]
    private static partial Regex VerifyPattern();
}
