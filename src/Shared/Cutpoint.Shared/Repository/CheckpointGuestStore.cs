using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;

namespace Cutpoint.Repository;

/// <summary>One guest's part of a checkpoint under way.</summary>
/// <param name="checkpoint">The checkpoint; not owned.</param>
/// <param name="guest">The guest in it.</param>
/// <param name="hasher">Hashes pages under the repository's secret.</param>
public sealed class CheckpointGuestStore(CheckpointWriter checkpoint, GuestManifestBuilder guest, PageHasher hasher) : IGuestStore
{
    /// <inheritdoc/>
    public PageHasher Hasher => hasher;

    /// <summary>How sections of the checkpoint are known.</summary>
    internal SectionIdentity Identity => checkpoint.Identity;

    /// <inheritdoc/>
    public BaseReport? Base { get; init; }

    /// <inheritdoc/>
    public ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation) =>
        checkpoint.ReadKnownPagesAsync(guest, handler, cancellation);

    /// <inheritdoc/>
    public EncodedSection Encode(PageChunk chunk) => checkpoint.Encode(chunk);

    /// <inheritdoc cref="CheckpointWriter.Receive"/>
    public EncodedSection Receive(int block, ReadOnlySpan<ExtentPages> extents, ReadOnlySpan<byte> value) => checkpoint.Receive(block, extents, value);

    /// <inheritdoc/>
    public ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation) => checkpoint.AppendAsync(guest, section, cancellation);

    /// <inheritdoc/>
    public ValueTask AppendAsync(DeviceState device, CancellationToken cancellation) =>
        checkpoint.AppendAsync(guest, device, cancellation);

    /// <inheritdoc/>
    public ValueTask SettleAsync(CancellationToken cancellation) => checkpoint.SettleAsync(cancellation);

    /// <inheritdoc/>
    public ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation)
    {
        guest.Description = description;
        guest.Record = System.Text.Json.JsonSerializer.Serialize(record, JobJson.Default.GuestRecord);
        return ValueTask.CompletedTask;
    }
}
