using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Cutpoint.Workers.Qemu.Faults;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>
/// The guard: a process of its own that owns one guest's monitor while the guest is changed, relays the worker's commands, and puts the
/// guest back when the worker ends without having done so, or holds the guest stopped beyond the freeze limit.
/// <code>
/// worker ── lines, descriptors ──▶ guard ──▶ QEMU
///        ◀────── answers, events ──       ◀──
/// </code>
/// It begins with one order on its channel: freeze limit in milliseconds (0 for none), a space, the path of the freeze intent, a newline,
/// and the monitor's socket with it. It loads little: until it has to act it is one thread in poll(2).
/// </summary>
public static class GuardProgram
{
    /// <summary>The worker ended in order, or the guest was put back.</summary>
    private const int Done = 0;

    /// <summary>The guest could not be put back; the intent stays for the next job.</summary>
    private const int Failed = 1;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>
    /// After that the guard has ended whatever QEMU does, unless it waits for a background snapshot: it waits once for the end of a migration, once for "cont" to be
    /// taken, and a command that is not answered is its last.
    /// </summary>
    internal static TimeSpan LongestPutBack { get; } = 3 * Patience;

    /// <summary>
    /// Runs a guard on the channel inherited as descriptor 3. Its exit code is for people: nobody depends on it. With the number of a QEMU's process it makes that
    /// QEMU a userfaultfd instead, and the exit code tells what came of it.
    /// </summary>
    /// <param name="arguments">What comes after the verb.</param>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments)
    {
        if (arguments is [var process])
            return int.TryParse(process, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? FaultDescriptorMaker.Run(id) : FaultDescriptorMaker.Lost;
        // What ends the worker must not end the guard: it goes when its work is done. SIGKILL remains, and for that there is the intent.
        const int Ignore = 1;
        _ = Libc.Signal(Libc.SignalHangUp, Ignore);
        _ = Libc.Signal(Libc.SignalInterrupt, Ignore);
        _ = Libc.Signal(Libc.SignalTerminate, Ignore);
        if (GuardOrder.Receive(GuardProcess.ChannelDescriptor) is not { } order) return Done;
        GuardRelayEnd end;
        using (var relay = new GuardRelay(GuardProcess.ChannelDescriptor, order.Monitor, order.FreezeLimit))
        {
            _ = Libc.Send(GuardProcess.ChannelDescriptor, Encoding.ASCII.GetBytes(GuardProcess.Armed), [], flags: 0);
            end = relay.Run();
        }
        return end switch
        {
            // Nothing can be said through a connection that has ended; the worker sees the end of its channel and looks for itself.
            GuardRelayEnd.GuestEnded => Failed,
            GuardRelayEnd.FreezeLimit => await PutBackAsync(order, string.Create(
                CultureInfo.InvariantCulture, $"the freeze limit of {order.FreezeLimit} ms was reached")),
            GuardRelayEnd.WorkerStuck => await PutBackAsync(order, "the worker stopped reading"),
            _ => await PutBackAsync(order, "the worker ended"),
        };
    }

    private static async Task<int> PutBackAsync(GuardOrder order, string reason)
    {
        try
        {
            // No intent: the worker has put everything back itself and said so by removing it.
            if (FreezeIntents.Read(order.IntentPath) is not { } intent) return Done;
            using var handle = new SafeSocketHandle(order.Monitor, ownsHandle: true);
            await using var monitor = QmpClient.Adopt(intent.Socket, new Socket(handle), TimeProvider.System);
            var outcome = await FreezeRecovery.PutBackAsync(
                monitor, intent, continueGuest: true, Patience, TimeProvider.System, CancellationToken.None);
            if (intent.Qemu is { } process) WriteProtection.EndTracking(process.Id);
            var problem = outcome.Problem is null ? "" : $"; {outcome.Problem.Message}";
            FreezeIntents.WriteOutcome(order.IntentPath, outcome with { Details = $"{reason}: {outcome.Details}{problem}" });
            if (outcome.Problem is not null) return Failed;
            FreezeIntents.Remove(order.IntentPath);
            return Done;
        }
        catch (SnapshotException error)
        {
            FreezeIntents.WriteOutcome(order.IntentPath, new FreezeOutcome(
                order.IntentPath, "unknown", false, $"{reason}; putting the guest back failed: {error.Message}"));
            return Failed;
        }
        finally
        {
            // Last of all: the worker takes the end of its channel for "the guard is through".
            _ = Libc.Close(GuardProcess.ChannelDescriptor);
        }
    }
}
