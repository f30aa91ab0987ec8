using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;

namespace Cutpoint.Repository;

/// <summary>Where the state of one guest goes. Nothing of it is visible before the job's commit.</summary>
public interface IGuestStore
{
    /// <summary>Hashes pages under the repository's secret.</summary>
    PageHasher Hasher { get; }

    /// <summary>What the capture starts from and why, for the record; null when it starts from nothing.</summary>
    BaseReport? Base { get; }

    /// <summary>
    /// Hands out the hashes of the pages that are stored already: those of the base, or those made durable before an interruption. They are in the manifest
    /// until something else is appended for them. Called once, before anything is appended.
    /// </summary>
    ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation);

    /// <summary>Compresses and frames a chunk, which it takes over. Called side by side, on the thread that does the work.</summary>
    EncodedSection Encode(PageChunk chunk);

    /// <summary>Appends a section, which it takes over. One call at a time; later pages take the place of earlier ones.</summary>
    ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation);

    /// <summary>Stores the state of a unit without pages; the last one of a unit counts.</summary>
    ValueTask AppendAsync(DeviceState device, CancellationToken cancellation);

    /// <summary>
    /// Nothing is appended for a moment: what was so far may become durable meanwhile, so that the commit has less to wait for. Does not wait for that; what it fails
    /// of is told by a later call.
    /// </summary>
    ValueTask SettleAsync(CancellationToken cancellation) => default;

    /// <summary>Everything was appended: makes it durable and ready for the commit.</summary>
    ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation);
}
