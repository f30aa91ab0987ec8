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

    /// <summary>True to show memory at the virtual addresses of the guest.</summary>
    public bool Paging { get; init; }

    /// <summary>True for the form for files.</summary>
    public bool Plain { get; init; }

    /// <summary>What one should know of the output, one line each; a format adds to it.</summary>
    public List<string> Notes { get; } = [];

    /// <summary>Chunks read ahead: one for each processor, one being written, one to spare.</summary>
    public static int Chunks { get; } = Environment.ProcessorCount + 2;

    /// <summary>Every page of some blocks in order of blocks and addresses.</summary>
    public IAsyncEnumerable<PageChunk> ReadAsync(IEnumerable<int> blocks, CancellationToken cancellation) =>
        Guest.Reader.ReadInOrderAsync(blocks.Select(Guest.WholeBlock), Chunks, cancellation);
}
