using System.Net.Sockets;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// Finds out whether this QEMU leaves the RAM of a memfd out of its stream: versions differ, and a wrong guess would send all of the guest's memory while it
/// stands still. A migration is begun into a socket nobody reads and cancelled when QEMU has said how much it would send. The guest runs on: a stream
/// that is not read never gets out of its live phase, since even the smallest guest sends more than the socket holds.
/// </summary>
internal static class DryLook
{
    private const string DescriptorName = "cutpoint-look";
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(1);

    /// <summary>True when none of the blocks would be sent. Cancels the migration it began; the session puts back the rest.</summary>
    public static async Task<bool> IsIgnoredAsync(
        QemuSession session, QemuInspection inspection, IReadOnlyList<QemuRamBacking> blocks, CancellationToken cancellation)
    {
        var capabilities = inspection.Capabilities.Where(c => c.Value && c.Key != "events").ToDictionary(c => c.Key, _ => false);
        capabilities["x-ignore-shared"] = true;
        await session.SetCapabilitiesAsync(capabilities, cancellation);
        var (ours, theirs) = UnixSocketPair.Create();
        using var reader = ours;
        using var writer = new Socket(theirs) { SendBufferSize = 4096 };
        await session.SendDescriptorAsync(DescriptorName, writer.SafeHandle, cancellation);
        await session.MigrateAsync(DescriptorName, cancellation);
        try
        {
            using var late = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
            late.CancelAfter(Deadline);
            while (true)
            {
                var migration = await session.QueryMigrationAsync(late.Token);
                // The total QEMU counts is that of the blocks it does not ignore.
                if (migration.Total > 0) return migration.Total < blocks.Min(b => b.Block.Length) + PrivateLength(inspection, blocks);
                if (migration.IsOver) return false;
                await Task.Delay(Poll, late.Token);
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            await session.CancelMigrationAsync(CancellationToken.None);
        }
    }

    private static long PrivateLength(QemuInspection inspection, IReadOnlyList<QemuRamBacking> blocks) =>
        inspection.Backings.Except(blocks).Where(b => b.Kind == QemuRamKind.Private).Sum(b => b.Block.Length);
}
