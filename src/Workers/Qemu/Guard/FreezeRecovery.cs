using System.Text.Json;
using Cutpoint.Workers.Qemu.Faults;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>
/// Puts a guest back to what its freeze intent says it was: no migration under way, running if it ran, capabilities and parameters as
/// before. One implementation for everyone who may have to: a session that ends, the guard, a worker whose guard died, a later job.
/// </summary>
internal static class FreezeRecovery
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(2);

    /// <summary>From its own stop to its wait QEMU flushes its disks and nothing more; the guest stands still meanwhile.</summary>
    private static readonly TimeSpan LongestSwitchover = TimeSpan.FromSeconds(2);

    /// <summary>Puts the guest back.</summary>
    /// <param name="monitor">A connection in command mode.</param>
    /// <param name="intent">What to put back.</param>
    /// <param name="continueGuest">False when a guest that ran shall stay stopped.</param>
    /// <param name="patience">How long each thing may take; the guest waits meanwhile, so this is no shorter than it must be.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="QmpException">QEMU stalled or ended.</exception>
    internal static async Task<FreezeOutcome> PutBackAsync(
        QmpClient monitor, FreezeIntent intent, bool continueGuest, TimeSpan patience, TimeProvider time, CancellationToken cancellation)
    {
        var done = new List<string>();
        var capabilities = await monitor.QueryCapabilitiesAsync(patience, cancellation);
        var background = capabilities.GetValueOrDefault("background-snapshot");
        if (!background && capabilities.GetValueOrDefault("pause-before-switchover"))
            await AwaitSwitchoverAsync(monitor, patience, time, cancellation);
        await EndMigrationAsync(monitor, background, patience, time, done, cancellation);
        // Also when the migration had failed by itself: QEMU says "running" of such a guest.
        if (background && await HasFailedAsync(monitor, patience, cancellation) && intent.Qemu is { } qemu
            && WriteProtection.Release(qemu.Id) > 0)
        {
            done.Add("freed the guest from a background snapshot that had failed");
        }
        var (status, thawed, problem) = await ContinueAsync(monitor, intent.WasRunning && continueGuest, patience, time, cancellation);
        if (thawed) done.Add("continued the guest");
        // Only after the guest runs: nothing here may keep it waiting, and QEMU refuses both while a migration is under way.
        problem ??= await PutBackSettingsAsync(monitor, intent, capabilities, patience, done, cancellation);
        var details = done.Count == 0 ? "nothing was left to put back" : string.Join(", ", done);
        return new FreezeOutcome(intent.Socket, status.Name, thawed, details) { Problem = problem };
    }

    /// <summary>
    /// QEMU 7.2 never notices a cancellation between its own stop of the guest, when it is through with its passes, and its wait to be told to go on: the
    /// migration is "cancelling" and the guest stands still for ever. In that wait it does.
    /// </summary>
    private static async Task AwaitSwitchoverAsync(QmpClient monitor, TimeSpan patience, TimeProvider time, CancellationToken cancellation)
    {
        var longest = patience < LongestSwitchover ? patience : LongestSwitchover;
        var started = time.GetTimestamp();
        while ((await monitor.QueryMigrationAsync(patience, cancellation)).Status == "active"
            && (await monitor.QueryStatusAsync(patience, cancellation)).Name == "finish-migrate"
            && time.GetElapsedTime(started) < longest)
        {
            await Task.Delay(Poll, time, cancellation);
        }
    }

    private static async Task EndMigrationAsync(
        QmpClient monitor, bool background, TimeSpan patience, TimeProvider time, List<string> done, CancellationToken cancellation)
    {
        var migration = await monitor.QueryMigrationAsync(patience, cancellation);
        if (migration.IsOver) return;
        if (background)
        {
            // A background snapshot that is cancelled leaves its pages write-protected and the CPUs waiting for ever (QEMU 7.2). It goes to
            // a regular file, so it ends by itself and depends on nobody.
            done.Add("waited for the background snapshot to end");
        }
        else
        {
            // In pre-switchover this alone resumes the guest.
            await monitor.ExecuteAsync("migrate_cancel", null, patience, cancellation);
            done.Add("cancelled the migration");
        }
        var started = time.GetTimestamp();
        while (!(await monitor.QueryMigrationAsync(patience, cancellation)).IsOver)
        {
            if (!background && time.GetElapsedTime(started) > patience) return;
            await Task.Delay(Poll, time, cancellation);
        }
    }

    private static async Task<bool> HasFailedAsync(QmpClient monitor, TimeSpan patience, CancellationToken cancellation) =>
        (await monitor.QueryMigrationAsync(patience, cancellation)).Status is "failed" or "cancelled";

    private static async Task<(QemuStatus Status, bool Thawed, SnapshotException? Problem)> ContinueAsync(
        QmpClient monitor, bool wanted, TimeSpan patience, TimeProvider time, CancellationToken cancellation)
    {
        var thawed = false;
        var started = time.GetTimestamp();
        QmpException? refusal = null;
        while (true)
        {
            var status = await monitor.QueryStatusAsync(patience, cancellation);
            if (!wanted || status.Running) return (status, thawed, null);
            if (!IsOurs(status.Name))
            {
                return (status, thawed, Problem(monitor, $"its state is '{status.Name}', which a checkpoint does not cause"));
            }
            if (refusal is not null && time.GetElapsedTime(started) > patience)
            {
                return (status, thawed, Problem(monitor, $"QEMU refuses 'cont': {refusal.QemuText}"));
            }
            try
            {
                await monitor.ExecuteAsync("cont", null, patience, cancellation);
                thawed = true;
            }
            catch (QmpException error) when (error.Failure == QmpFailure.Refused)
            {
                // The event that a migration is completed comes before the run state changes ("Migration is not finalized yet"); so does a
                // cancellation.
                refusal = error;
                await Task.Delay(Poll, time, cancellation);
            }
        }
    }

    /// <summary>
    /// True for the states a stop or a migration leaves. A guest that stands still for another reason is its owner's business.
    /// </summary>
    private static bool IsOurs(string status) =>
        status is "paused" or "postmigrate" or "finish-migrate" or "save-vm" or "restore-vm" or "prelaunch";

    private static SnapshotException Problem(QmpClient monitor, string reason) =>
        new(ErrorCode.Failed, $"{monitor.Path}: the guest could not be continued: {reason}",
            "look at the guest's monitor, then send 'cont' there");

    private static async Task<SnapshotException?> PutBackSettingsAsync(
        QmpClient monitor, FreezeIntent intent, Dictionary<string, bool> capabilities, TimeSpan patience, List<string> done,
        CancellationToken cancellation)
    {
        try
        {
            var altered = intent.Capabilities
                .Where(entry => capabilities.TryGetValue(entry.Key, out var now) && now != entry.Value).ToList();
            if (altered.Count > 0)
            {
                await monitor.SetCapabilitiesAsync(altered, patience, cancellation);
                done.Add($"put back {string.Join(' ', altered.Select(entry => entry.Key))}");
            }
            var parameters = await monitor.QueryParametersAsync(patience, cancellation);
            var changed = intent.Parameters
                .Where(entry => parameters.TryGetValue(entry.Key, out var now) && !JsonElement.DeepEquals(now, entry.Value)).ToList();
            if (changed.Count > 0)
            {
                await monitor.ExecuteAsync("migrate-set-parameters", writer =>
                {
                    foreach (var (name, value) in changed)
                    {
                        writer.WritePropertyName(name);
                        value.WriteTo(writer);
                    }
                }, patience, cancellation);
                done.Add($"put back {string.Join(' ', changed.Select(entry => entry.Key))}");
            }
            return null;
        }
        catch (QmpException refused) when (refused.Failure == QmpFailure.Refused)
        {
            return refused;
        }
    }
}
