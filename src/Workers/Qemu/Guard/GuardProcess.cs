using System.ComponentModel;
using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Cutpoint.Workers.Qemu.Launch;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>The worker's end of a guard process. Starting returns at once; the guard gets ready meanwhile.</summary>
internal sealed class GuardProcess : IDisposable
{
    /// <summary>The descriptor under which a guard finds its channel to the worker.</summary>
    internal const int ChannelDescriptor = 3;

    /// <summary>What a guard answers once it owns the monitor.</summary>
    internal const string Armed = "armed\n";

    private static readonly TimeSpan StartDeadline = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan EndDeadline = TimeSpan.FromSeconds(30);

    private readonly Socket _channel;
    private readonly ChildProcess _process;
    private readonly GuardCommand _command;
    private readonly TimeProvider _time;

    private GuardProcess(Socket channel, ChildProcess process, GuardCommand command, TimeProvider time)
    {
        _channel = channel;
        _process = process;
        _command = command;
        _time = time;
        Identity = ProcessIdentity.Of(process.Id) ?? new ProcessIdentity(process.Id, 0);
    }

    internal ProcessIdentity Identity { get; }

    internal Task<int> Exited => _process.Exited;

    internal static GuardProcess Start(GuardCommand command, TimeProvider time)
    {
        var (ours, theirs) = UnixSocketPair.Create();
        using (theirs)
        {
            try
            {
                // The guard stands in the root directory so that it keeps no file system busy.
                var process = ChildProcess.Start(
                    command.Program, command.Arguments, [(ChannelDescriptor, theirs)], log: null, directory: "/");
                return new GuardProcess(ours, process, command, time);
            }
            catch (Win32Exception error)
            {
                ours.Dispose();
                throw NotStarted(command, error.Message, error);
            }
        }
    }

    /// <summary>
    /// Hands the monitor over. Afterwards the returned channel is the way to the monitor, and the caller owns it. A hand-over that fails
    /// ends the guard, so that nobody else reads from the monitor.
    /// </summary>
    internal async Task<Socket> ArmAsync(Socket monitor, string intentPath, TimeSpan? freezeLimit, CancellationToken cancellation)
    {
        try
        {
            return await OrderAsync(monitor, intentPath, freezeLimit, cancellation);
        }
        catch
        {
            _process.Kill();
            await _process.Exited;
            throw;
        }
    }

    private async Task<Socket> OrderAsync(Socket monitor, string intentPath, TimeSpan? freezeLimit, CancellationToken cancellation)
    {
        var milliseconds = freezeLimit is { } limit ? (long)Math.Ceiling(limit.TotalMilliseconds) : 0;
        var order = Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{milliseconds} {intentPath}\n"));
        using var deadline = new CancellationTokenSource(StartDeadline, _time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(deadline.Token, cancellation);
        try
        {
            await QmpSocket.SendAsync(_channel, order, monitor.SafeHandle, StartDeadline, _time, both.Token);
            var answer = new byte[Armed.Length];
            for (var got = 0; got < answer.Length;)
            {
                var received = await _channel.ReceiveAsync(answer.AsMemory(got), SocketFlags.None, both.Token);
                if (received == 0) throw NotStarted(_command, await EndAsync());
                got += received;
            }
            return Encoding.UTF8.GetString(answer) == Armed ? _channel : throw NotStarted(_command, "it does not answer as a guard");
        }
        catch (SocketException error)
        {
            throw NotStarted(_command, await EndAsync(), error);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            throw NotStarted(_command, $"it was not ready within {StartDeadline.TotalSeconds} s");
        }
    }

    /// <summary>Waits until it has ended, but not for ever.</summary>
    internal async Task WaitForEndAsync()
    {
        try
        {
            await Exited.WaitAsync(EndDeadline, _time);
        }
        catch (TimeoutException)
        {
            // It is still at work with a QEMU that does not answer; it goes on without us.
        }
    }

    public void Dispose() => _channel.Dispose();

    private async Task<string> EndAsync()
    {
        var code = await _process.Exited.WaitAsync(StartDeadline, _time);
        return string.Create(CultureInfo.InvariantCulture, $"it ended with code {code}");
    }

    private static SnapshotException NotStarted(GuardCommand command, string reason, Exception? inner = null) =>
        new(ErrorCode.Failed, $"the guard process ({command.Program}) could not be started: {reason}",
            "see that the program may start itself", inner)
        {
            IsPreflight = true,
        };
}
