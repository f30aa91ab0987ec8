using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>What a format works with: the guest, the output, the range, and who is told of progress.</summary>
/// <param name="Guest">The stored guest.</param>
/// <param name="Output">Where it goes.</param>
/// <param name="Progress">Told how many octets of guest memory are done; null when nobody asks.</param>
internal sealed record Exporter(StoredGuest Guest, ExportOutput Output, IProgress<long>? Progress)
{
    /// <summary>First guest-physical address asked for, or null.</summary>
    public ulong? Begin { get; init; }

    /// <summary>Octets asked for, or null.</summary>
    public ulong? Length { get; init; }

    /// <summary>Chunks read ahead: one for each processor, one being written, one to spare.</summary>
    public static int Chunks { get; } = Environment.ProcessorCount + 2;

    /// <summary>Every page of some blocks in order of blocks and addresses.</summary>
    public IAsyncEnumerable<PageChunk> ReadAsync(IEnumerable<int> blocks, CancellationToken cancellation) =>
        Guest.Reader.ReadInOrderAsync(blocks.Select(Guest.WholeBlock), Chunks, cancellation);
}
