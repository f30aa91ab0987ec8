using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Preflight;
using Cutpoint.Workers.Restore;

namespace Cutpoint.Workers.Capture;

/// <summary>
/// Chooses the stored guest a capture starts from. Who a guest is: first the process, because a restore has noted what it was given; then its name, because
/// it says where the monitor lies; a UUID that differs tells two guests of one name apart. The choice decides how much is stored again, never what the
/// checkpoint holds: every page is compared.
/// </summary>
public sealed class CaptureBase
{
    /// <summary>Earlier checkpoints of a guest that are opened before it is taken for a new one.</summary>
    private const int MaxOpened = 4;

    private readonly DirectoryRepository _repository;
    private readonly string _wish;
    private readonly CheckpointInfo? _named;

    private CaptureBase(DirectoryRepository repository, string wish, CheckpointInfo? named)
    {
        _repository = repository;
        _wish = wish;
        _named = named;
    }

    /// <summary>Finds the checkpoint a user has named, if any.</summary>
    /// <param name="repository">Where the bases are.</param>
    /// <param name="wish">See <see cref="JobPlan.Base"/>.</param>
    /// <param name="cancellation">Cancels the search.</param>
    /// <exception cref="SnapshotException">There is no such checkpoint.</exception>
    public static async Task<CaptureBase> ResolveAsync(DirectoryRepository repository, string wish, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(repository);
        var named = wish is JobPlan.LatestBase or JobPlan.NoBase ? null : await repository.ResolveAsync(wish, cancellation);
        return new CaptureBase(repository, wish, named);
    }

    /// <summary>Adds a guest to a checkpoint, with the pages of its base until others take their place.</summary>
    /// <exception cref="SnapshotException">The checkpoint the user has named has no guest that fits.</exception>
    public async ValueTask<CheckpointGuestStore> OpenAsync(CheckpointWriter writer, GuestDescription guest, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(writer);
        ArgumentNullException.ThrowIfNull(guest);
        if (_wish == JobPlan.NoBase) return await StartAsync(writer, guest, null, null, cancellation);
        var origin = ProcessIdentity.Parse(guest.Properties.GetValueOrDefault(QemuInspection.ProcessProperty)) is { } process
            ? RunFiles.OriginOf(_repository.Directory, process) : null;
        var note = "no earlier checkpoint of it is there";
        var candidates = _named is { } named ? Named(named, guest, origin) : Latest(await _repository.ListAsync(cancellation), guest, origin);
        foreach (var (checkpoint, name, reason) in candidates)
        {
            try
            {
                await using var reader = await _repository.OpenCheckpointAsync(checkpoint, cancellation);
                var stored = reader.Guest(name);
                if (Objection(guest, stored.Manifest.Description) is not { } objection)
                    return await StartAsync(writer, guest, stored, new BaseReport { Checkpoint = checkpoint.Id.ToString(), Guest = name, Reason = reason }, cancellation);
                note = $"guest '{name}' of checkpoint {checkpoint.Id} {objection}";
            }
            catch (SnapshotException error) when (_named is null)
            {
                // Forgotten a moment ago, or damaged: worth a word, not a failure.
                note = error.Message;
            }
        }
        if (_named is not null)
        {
            throw new SnapshotException(
                ErrorCode.Incompatible, $"guest '{guest.Name}' cannot start from checkpoint {_named.Id}: {note}", "name another --base, or leave it out") { IsPreflight = true };
        }
        return await StartAsync(writer, guest, null, new BaseReport { Reason = note }, cancellation);
    }

    private async ValueTask<CheckpointGuestStore> StartAsync(
        CheckpointWriter writer, GuestDescription guest, GuestReader? stored, BaseReport? report, CancellationToken cancellation)
    {
        var builder = stored is null ? await writer.AddGuestAsync(guest.Name, guest.Blocks, cancellation)
            : await writer.AddGuestAsync(guest.Name, guest.Blocks, stored, cancellation);
        return new CheckpointGuestStore(writer, builder, _repository.Hasher) { Base = report };
    }

    private static IEnumerable<(CheckpointInfo Checkpoint, string Guest, string Reason)> Latest(
        IReadOnlyList<CheckpointInfo> listed, GuestDescription guest, (Ulid Run, RunOrigin Origin)? origin)
    {
        var opened = 0;
        for (var index = listed.Count - 1; index >= 0 && opened < MaxOpened; index--)
        {
            // What has this name and was taken before the restore is another guest's.
            if (origin is { } restored && listed[index].Id.CompareTo(restored.Run) < 0) break;
            if (listed[index].Guests.All(one => one.Name != guest.Name)) continue;
            opened++;
            yield return (listed[index], guest.Name, "its latest checkpoint");
        }
        if (origin is { Origin: var from } && listed.FirstOrDefault(one => one.Id.ToString() == from.Checkpoint) is { } parent)
            yield return (parent, from.Guest, "it was restored from it");
    }

    private static IEnumerable<(CheckpointInfo Checkpoint, string Guest, string Reason)> Named(
        CheckpointInfo named, GuestDescription guest, (Ulid Run, RunOrigin Origin)? origin)
    {
        const string Reason = "as asked";
        if (origin is { Origin: var from } && from.Checkpoint == named.Id.ToString()) yield return (named, from.Guest, Reason);
        else if (named.Guests.Count == 1) yield return (named, named.Guests[0].Name, Reason);
        else yield return (named, guest.Name, Reason);
    }

    private string? Objection(GuestDescription guest, GuestDescription stored)
    {
        if (stored.Driver != guest.Driver) return $"is a guest of driver '{stored.Driver}'";
        var isOther = _named is null && Uuid(guest) is { } uuid && Uuid(stored) is { } other && uuid != other;
        if (isOther) return "has another UUID";
        return BlockPairing.Fits(guest.Blocks, stored.Blocks) ? null : "has other RAM blocks";
    }

    private static string? Uuid(GuestDescription guest) => guest.Properties.GetValueOrDefault(QemuInspection.MachineUuidProperty);
}
