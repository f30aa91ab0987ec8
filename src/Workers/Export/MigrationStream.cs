using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Export;

/// <summary>
/// A stored guest as a migration stream, with what a receiver may want different: the names of blocks, pages that it has already, the run state it starts in.
/// </summary>
internal sealed record MigrationStream(StoredGuest Guest)
{
    /// <summary>
    /// Blocks whose pages the receiver has already. When there are any, the stream says so with the capability x-ignore-shared, which the receiver must have on.
    /// </summary>
    public IReadOnlySet<int> Present { get; init; } = new HashSet<int>();

    /// <summary>The receiver's names of blocks it calls otherwise, by the guest's names.</summary>
    public IReadOnlyDictionary<string, string> BlockNames { get; init; } = new Dictionary<string, string>();

    /// <summary>The run state in the stream: a receiver that was not told to wait starts running by it. Null for one that fits <see cref="GuestDescription.WasRunning"/>.</summary>
    public string? RunState { get; init; }

    /// <summary>Told how many octets of guest memory are done.</summary>
    public IProgress<long>? Progress { get; init; }

    /// <summary>The configuration the stream begins with.</summary>
    public QemuConfiguration Configuration =>
        QemuStoredState.ConfigurationOf(Guest.Description).WithCapability(QemuCapability.IgnoreShared, Present.Count > 0);

    /// <summary>The block list.</summary>
    public IReadOnlyList<QemuRamBlock> Blocks =>
        [.. Guest.Blocks.Select(block => new QemuRamBlock(BlockNames.GetValueOrDefault(block.Name, block.Name), block.Length))];

    /// <summary>The devices in stream order.</summary>
    public IReadOnlyList<DeviceSection> Devices => QemuStoredState.WithRunState(
        QemuStoredState.SectionsOf(Guest.Description, Guest.Devices), RunState ?? (Guest.Description.WasRunning ? "running" : "paused"));

    /// <summary>Numbers of the blocks whose pages are sent.</summary>
    public IEnumerable<int> SentBlocks => Enumerable.Range(0, Guest.Blocks.Count).Where(block => !Present.Contains(block));

    /// <summary>Writes the stream.</summary>
    /// <returns>Its length in octets.</returns>
    public async Task<long> WriteAsync(Stream destination, CancellationToken cancellation)
    {
        var output = new OutputBuffer(destination);
        var writer = new QemuStreamWriter(output);
        var devices = Devices;
        writer.Begin(Configuration, Blocks, devices.Where(device => device.IsEarly));
        long done = 0;
        await foreach (var chunk in Guest.Reader.ReadInOrderAsync(SentBlocks.Select(Guest.WholeBlock), Exporter.Chunks, cancellation))
        {
            using (chunk) done += Write(writer, chunk);
            await output.FlushIfFullAsync(cancellation);
            Progress?.Report(done);
        }
        writer.EndMemory();
        foreach (var device in devices.Where(device => !device.IsEarly)) writer.WriteDevice(device);
        writer.Complete();
        await output.FlushAsync(cancellation);
        return output.Position;
    }

    /// <summary>Writes the pages of a chunk, zero pages too: a receiver's memory need not be fresh, and its ROMs are not.</summary>
    private static long Write(QemuStreamWriter writer, PageChunk chunk)
    {
        long octets = 0;
        foreach (var page in ChunkPages.Of(chunk))
        {
            if (page.IsZero) writer.WriteZeroPage(chunk.Block, page.Offset);
            else writer.WritePage(chunk.Block, page.Offset, page.Octets);
            octets += Paging.PageSize;
        }
        return octets;
    }
}
