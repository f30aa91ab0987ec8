using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// A child in a session of its own, so that neither Ctrl-C nor our end reaches it, with exactly the descriptors it is given. Reaped when it
/// ends, as long as this process lives. Made with posix_spawn, since <see cref="System.Diagnostics.Process"/> starts no session and passes
/// no descriptors.
/// </summary>
internal sealed class ChildProcess
{
    private static readonly List<ChildProcess> Living = [];
    private static PosixSignalRegistration? _childSignal;

    private readonly TaskCompletionSource<int> _exited = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildProcess(int id) => Id = id;

    internal int Id { get; }

    /// <summary>Completes with the exit code, or 128 plus the signal that ended it.</summary>
    internal Task<int> Exited => _exited.Task;

    /// <summary>Starts a program.</summary>
    /// <param name="program">Its path, or a name to look up in PATH.</param>
    /// <param name="arguments">The arguments after the name.</param>
    /// <param name="descriptors">Descriptors to pass, by the number they get in the child, ascending.</param>
    /// <param name="log">File that takes standard output and error, or null to drop them.</param>
    /// <param name="directory">Its working directory, or null for ours.</param>
    /// <exception cref="Win32Exception">It could not be started.</exception>
    internal static unsafe ChildProcess Start(
        string program, IReadOnlyList<string> arguments, IReadOnlyList<(int Number, SafeHandle Handle)> descriptors, string? log,
        string? directory)
    {
        lock (Living)
        {
            _childSignal ??= PosixSignalRegistration.Create(PosixSignal.SIGCHLD, _ => Reap());
        }
        using var actions = new Spawn.FileActions();
        actions.Open(0, "/dev/null", write: false);
        actions.Open(1, log ?? "/dev/null", write: true);
        actions.Duplicate(1, 2);
        if (directory is not null) actions.ChangeDirectory(directory);
        var held = 0;
        try
        {
            foreach (var (number, handle) in descriptors)
            {
                var added = false;
                handle.DangerousAddRef(ref added);
                held++;
                actions.Duplicate((int)handle.DangerousGetHandle(), number);
            }
            // Under the lock, so that a child that ends at once is in the list before anyone looks for it.
            lock (Living)
            {
                var child = new ChildProcess(Spawn.Run(program, arguments, actions));
                Living.Add(child);
                return child;
            }
        }
        finally
        {
            for (var i = 0; i < held; i++) descriptors[i].Handle.DangerousRelease();
        }
    }

    internal void Kill() => _ = Libc.Kill(Id, Libc.SignalKill);

    private static void Reap()
    {
        lock (Living)
        {
            Living.RemoveAll(child => child.TryReap());
        }
    }

    private bool TryReap()
    {
        const int DoNotHang = 1;
        var result = Libc.WaitProcess(Id, out var status, DoNotHang);
        if (result == 0) return false;
        var signal = status & 0x7f;
        _exited.TrySetResult(result < 0 ? -1 : signal == 0 ? (status >> 8) & 0xff : 128 + signal);
        return true;
    }
}
