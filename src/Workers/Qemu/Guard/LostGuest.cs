using System.Globalization;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>
/// What became of a guest whose monitor's channel has ended without the session's doing: the guard has put it back, or has died, or the guest has ended.
/// </summary>
internal static class LostGuest
{
    /// <summary>Finds out, and puts the guest back if nobody has.</summary>
    /// <param name="socket">Path of the monitor.</param>
    /// <param name="qemu">The guest's QEMU, if it can be seen.</param>
    /// <param name="guard">The session's guard.</param>
    /// <param name="intents">Where the intent lies.</param>
    /// <param name="intentPath">The session's freeze intent.</param>
    /// <returns>What the session's owner is to be told.</returns>
    /// <exception cref="SnapshotException">The guest could not be put back.</exception>
    internal static async Task<SnapshotException> FindAsync(
        string socket, ProcessIdentity? qemu, GuardProcess guard, FreezeIntents intents, string intentPath)
    {
        await guard.WaitForEndAsync();
        if (FreezeIntents.TakeOutcome(intentPath) is { } done) return PutBack(socket, done);
        if (qemu is { IsAlive: false }) return Ended(socket, qemu, intentPath);
        try
        {
            // The guard was killed. Its connection went with it, so the monitor takes a new client: this one.
            var outcome = await intents.RecoverOwnAsync(intentPath, CancellationToken.None);
            return outcome.Problem ?? PutBack(socket, outcome with { Details = $"the guard process was killed: {outcome.Details}" });
        }
        catch (QmpException gone) when (gone.Failure is QmpFailure.NoSocket or QmpFailure.NobodyListens)
        {
            // A process that ends closes its sockets a moment before it is gone.
            return Ended(socket, qemu, intentPath);
        }
    }

    private static SnapshotException PutBack(string socket, FreezeOutcome outcome) =>
        new(ErrorCode.Failed, $"{socket}: {outcome.Details}; the guest is {outcome.Status}",
            "run the job again; allow a longer pause with --freeze-limit if the cut needs it")
        {
            IsTransient = true,
        };

    private static SnapshotException Ended(string socket, ProcessIdentity? qemu, string intentPath)
    {
        FreezeIntents.Remove(intentPath);
        var process = qemu is { } known ? string.Create(CultureInfo.InvariantCulture, $" (process {known.Id})") : "";
        return new SnapshotException(ErrorCode.Failed, $"{socket}: the guest's QEMU{process} has ended", "see why it ended; nothing was stored");
    }
}
