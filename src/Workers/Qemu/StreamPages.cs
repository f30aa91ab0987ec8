using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Streaming;

namespace Cutpoint.Workers.Qemu;

/// <summary>
/// Gathers the pages of a migration stream into chunks and emits them. A stream goes through one block after the other, and pages of one extent lie
/// together in it; where one comes out of order, or of another block, the chunk before is emitted first, so that a later page always takes the place of an
/// earlier one.
/// Not safe for concurrent use: the parser's thread only.
/// </summary>
internal sealed class StreamPages : IQemuStreamVisitor, IDisposable
{
    private readonly IReadOnlyList<RamBlock> _expected;
    private readonly ICaptureSinks _sinks;
    private readonly StreamMeter? _meter;
    private readonly Queue<PageChunk> _full = new();
    private int[] _numbers = [];
    private Gathering? _gathering;
    private PageChunk? _spare;

    /// <summary>Creates the visitor; <see cref="DrainAsync"/> is due before the first octet is parsed.</summary>
    /// <param name="blocks">The blocks of the guest's description.</param>
    /// <param name="sinks">Where the pages go.</param>
    /// <param name="pass">The pass the first of them belong to.</param>
    /// <param name="meter">Measures how fast they come, or null.</param>
    public StreamPages(IReadOnlyList<RamBlock> blocks, ICaptureSinks sinks, uint pass, StreamMeter? meter = null)
    {
        _meter = meter;
        _expected = blocks;
        _sinks = sinks;
        Pass = pass;
    }

    /// <summary>The pass of what comes next. Set it only after <see cref="EmitAllAsync"/>.</summary>
    public uint Pass { get; set; }

    /// <summary>The stream's configuration, once it was seen.</summary>
    public QemuConfiguration? Configuration { get; private set; }

    /// <summary>Pages seen so far, zero pages included.</summary>
    public long PageCount { get; private set; }

    /// <inheritdoc/>
    public bool IsFull => _spare is null;

    /// <inheritdoc/>
    public void OnConfiguration(QemuConfiguration configuration) => Configuration = configuration;

    /// <inheritdoc/>
    public void OnBlocks(IReadOnlyList<QemuRamBlock> blocks)
    {
        _numbers = new int[blocks.Count];
        for (var i = 0; i < blocks.Count; i++)
        {
            _numbers[i] = _expected.ToList().FindIndex(b => b.Name == blocks[i].Name);
            if (_numbers[i] < 0 || _expected[_numbers[i]].Length < blocks[i].Length)
                throw new SnapshotException(
                    ErrorCode.Failed,
                    $"the stream brings RAM block '{blocks[i].Name}' of {blocks[i].Length} octets, which the guest did not have before",
                    "memory was plugged while the guest was captured; take it again");
        }
    }

    /// <inheritdoc/>
    public void OnPage(int block, long offset, ReadOnlySpan<byte> page)
    {
        _meter?.Page();
        var gathering = Place(block, offset, out var bit);
        page.CopyTo(gathering.Chunk.Buffer[(gathering.Pages * Paging.PageSize)..]);
        gathering.Pages++;
        gathering.Present |= bit;
    }

    /// <inheritdoc/>
    public void OnZeroPage(int block, long offset)
    {
        _meter?.ZeroPage();
        Place(block, offset, out var bit).Zero |= bit;
    }

    /// <inheritdoc/>
    public async ValueTask DrainAsync(CancellationToken cancellation)
    {
        while (_full.TryDequeue(out var chunk)) await _sinks.Block(chunk.Block).EmitAsync(chunk, cancellation);
        // No more than two are held here, this one and the one that gathers, and a capture has more: this never waits for itself.
        if (_spare is not null) return;
        var room = _sinks.Block(0).RentAsync(cancellation);
        _spare = _meter is null ? await room : await _meter.WaitAsync(room);
    }

    /// <summary>Emits everything gathered: the end of a pass or of the stream.</summary>
    public async ValueTask EmitAllAsync(CancellationToken cancellation)
    {
        Close();
        while (_full.TryDequeue(out var chunk)) await _sinks.Block(chunk.Block).EmitAsync(chunk, cancellation);
    }

    public void Dispose()
    {
        Close();
        while (_full.TryDequeue(out var chunk)) chunk.Dispose();
        _spare?.Dispose();
        _spare = null;
    }

    /// <summary>Where the next page goes.</summary>
    private Gathering Place(int block, long offset, out ulong bit)
    {
        PageCount++;
        var page = offset / Paging.PageSize;
        var extent = (int)(page / Paging.PagesPerExtent);
        bit = 1UL << (int)(page % Paging.PagesPerExtent);
        if (_gathering is { } gathering && gathering.Block == block)
        {
            if (gathering.Extent == extent && bit > (gathering.Present | gathering.Zero)) return gathering;
            if (gathering.Extent < extent && gathering.Chunk.ExtentCount < Paging.ExtentsPerSection - 1)
            {
                gathering.CloseExtent();
                gathering.Extent = extent;
                return gathering;
            }
        }
        Close();
        var chunk = _spare ?? throw new InvalidOperationException("a page came while there was no room");
        _spare = null;
        chunk.Reset(_numbers[block], Pass);
        return _gathering = new Gathering(block, chunk) { Extent = extent };
    }

    private void Close()
    {
        if (_gathering is not { } gathering) return;
        gathering.CloseExtent();
        _full.Enqueue(gathering.Chunk);
        _gathering = null;
    }

    private sealed class Gathering(int block, PageChunk chunk)
    {
        public int Block => block;

        public PageChunk Chunk { get; } = chunk;

        public int Extent { get; set; }

        public int Pages { get; set; }

        public ulong Present { get; set; }

        public ulong Zero { get; set; }

        public void CloseExtent()
        {
            if ((Present | Zero) != 0) Chunk.Add(new ExtentPages(Extent, Present, Zero));
            Present = Zero = 0;
        }
    }
}
