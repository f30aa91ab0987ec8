namespace Cutpoint.Formats.Ber;

/// <summary>
/// Reads a BER snapshot front to back as a sequence of events, in constant memory: pages and buffers are handed out from the reader's
/// buffer. Takes every legal form of every value. Not thread safe.
/// </summary>
/// <remarks>
/// Everything is checked that the file itself can tell: tags, order, ranges, names, the sum of the block list, addresses against it, page
/// sizes against each other. Errors in the input are <see cref="MalformedInputException"/>; after one the reader must not be used again.
/// Spans and lists belong to the reader and are valid until its next call that reads, unless said otherwise.
/// </remarks>
public sealed partial class BerSnapshotReader : IDisposable
{
    private readonly BerReader _reader;
    private readonly BerReadMode _mode;
    private bool _inPieces;
    private bool _atEnd;

    /// <summary>Reads from a stream, which stays open.</summary>
    /// <param name="source">The file.</param>
    /// <param name="mode">How strictly.</param>
    public BerSnapshotReader(Stream source, BerReadMode mode = BerReadMode.Strict)
    {
        _reader = new BerReader(source);
        _mode = mode;
    }

    /// <summary>Reads from memory, which must not change meanwhile.</summary>
    /// <param name="source">The file.</param>
    /// <param name="mode">How strictly.</param>
    public BerSnapshotReader(ReadOnlyMemory<byte> source, BerReadMode mode = BerReadMode.Strict)
    {
        _reader = new BerReader(source);
        _mode = mode;
    }

    /// <summary>What the reader stands on.</summary>
    public BerSnapshotEvent Event { get; private set; }

    /// <summary>Position in the input of the value that made the event.</summary>
    public long Offset => _reader.Offset;

    /// <summary>The open section. Stays valid.</summary>
    public BerSection? Section { get; private set; }

    /// <summary>Number of groups that are open: 0 for an item that is the body of its section.</summary>
    public int GroupDepth { get; private set; }

    /// <summary>Tag of the group that begins: SEQUENCE or an APPLICATION tag.</summary>
    public BerTag Tag { get; private set; }

    /// <summary>The value of an integer and what is known of it.</summary>
    public BerStateInteger Integer { get; private set; }

    /// <summary>The value of a boolean.</summary>
    public bool Boolean { get; private set; }

    /// <summary>True when the group that ends is the state of a subsection.</summary>
    internal bool IsSubsectionState => _depth > 0 && _frames[_depth - 1].Mode == Mode.Subsection;

    /// <summary>Name of the subsection that begins. Stays valid.</summary>
    public string? SubsectionName { get; private set; }

    /// <summary>Version of the subsection that begins.</summary>
    public uint SubsectionVersion { get; private set; }

    /// <summary>The block list, once it was read. Stays valid.</summary>
    public IReadOnlyList<BerRamBlock> RamBlocks { get; private set; } = [];

    /// <summary>What the RAM entry holds, without <see cref="BerRamFlags.Continue"/>.</summary>
    public BerRamFlags RamFlags { get; private set; }

    /// <summary>Block of the RAM entry; null for an entry of no block. The same instance as in <see cref="RamBlocks"/>.</summary>
    public BerRamBlock? RamBlock { get; private set; }

    /// <summary>Address of the RAM entry: octets from the start of its block.</summary>
    public ulong RamAddress { get; private set; }

    /// <summary>The octet a page is filled with.</summary>
    public byte RamFill { get; private set; }

    /// <summary>Octets of a page in this file; 0 before the first page.</summary>
    public int PageSize { get; private set; }

    /// <summary>Octets of the string, buffer, piece or page.</summary>
    public ReadOnlySpan<byte> Contents => _fromScratch ? _scratch.AsSpan(0, _scratchLength) : _reader.Contents;

    /// <summary>Position in the input of a page's first octet; -1 when the page came in pieces and stands nowhere as a whole.</summary>
    public long PageOffset => _fromScratch ? -1 : _reader.Offset + _reader.Header.HeaderLength;

    /// <summary>False when another piece of the same buffer or blob follows.</summary>
    public bool IsFinalPiece { get; private set; }

    /// <summary>Octets of the whole buffer or blob this piece is of; -1 when the file does not tell beforehand.</summary>
    public long OctetsLength { get; private set; }

    /// <summary>Values that were passed over because the format does not know them.</summary>
    public long SkippedValues { get; private set; }

    /// <summary>Goes to the next event.</summary>
    /// <returns>False behind the end of the file, when everything was right.</returns>
    /// <exception cref="MalformedInputException">The input is not a BER snapshot.</exception>
    public bool Read()
    {
        if (_atEnd) return Finish();
        while (Advance())
        {
            if (_inPieces) return TakePiece();
            if (Accept()) return true;
        }

        return Finish();
    }

    /// <inheritdoc cref="Read"/>
    /// <param name="cancellationToken">Cancels the wait for the stream.</param>
    public async ValueTask<bool> ReadAsync(CancellationToken cancellationToken = default)
    {
        if (_atEnd) return Finish();
        while (await AdvanceAsync(cancellationToken).ConfigureAwait(false))
        {
            if (_inPieces) return TakePiece();
            if (Accept()) return true;
        }

        return Finish();
    }

    /// <summary>
    /// Reads the rest of the group that begins into memory: at most <see cref="BerSnapshot.MaxStateItems"/> items and
    /// <see cref="BerSnapshot.MaxStateLength"/> octets.
    /// </summary>
    /// <returns>The group, which is the caller's. The reader stands on its end.</returns>
    public BerItem.Group ReadState()
    {
        var builder = new BerStateBuilder(this);
        while (!builder.Add()) Read();
        return builder.State;
    }

    /// <inheritdoc cref="ReadState"/>
    /// <param name="cancellationToken">Cancels the wait for the stream.</param>
    public async ValueTask<BerItem.Group> ReadStateAsync(CancellationToken cancellationToken = default)
    {
        var builder = new BerStateBuilder(this);
        while (!builder.Add()) await ReadAsync(cancellationToken).ConfigureAwait(false);
        return builder.State;
    }

    /// <summary>
    /// Where the reader stands, for people: unit, instance, then the position of each group and item counted from 0, subsections by name,
    /// such as <c>0000:00:01.1/ide[0]/6/1</c>.
    /// </summary>
    public string Path
    {
        get
        {
            if (Section is null) return string.Empty;
            var path = new System.Text.StringBuilder(Section.Name).Append('[').Append(Section.InstanceId).Append(']');
            var body = Array.FindIndex(_frames, 0, _depth, frame => frame.Mode is Mode.Group or Mode.SubsectionList);
            if (body < 0) return path.ToString();
            // The last item of a group that is open is the group inside of it, or the item the reader stands on.
            for (var level = body; level < _depth; level++)
            {
                var frame = _frames[level];
                var holdsSubsections = level + 1 < _depth && _frames[level + 1].Mode == Mode.SubsectionList;
                if (frame.Mode == Mode.Group && frame.Children > 0 && !holdsSubsections)
                    path.Append('/').Append(frame.Children - 1);
                else if (frame.Mode == Mode.Subsection)
                    path.Append('/').Append(frame.Name);
            }

            return path.ToString();
        }
    }

    /// <summary>Gives the buffer back. The stream stays open.</summary>
    public void Dispose() => _reader.Dispose();

    private bool Advance() => _inPieces ? _reader.ReadFragment() : _reader.Read();

    private ValueTask<bool> AdvanceAsync(CancellationToken cancellationToken) =>
        _inPieces ? _reader.ReadFragmentAsync(cancellationToken) : _reader.ReadAsync(cancellationToken);

    private bool Finish()
    {
        if (!_atEnd) BerError.ThrowTruncated(_reader.Position, "the file: no snapshot was found");
        Event = BerSnapshotEvent.None;
        return false;
    }

    private bool TakePiece()
    {
        _pieceRest -= _reader.Contents.Length;
        IsFinalPiece = _pieceRest == 0 && !InConstructedString;
        _inPieces = _pieceRest > 0;
        return Stand(BerSnapshotEvent.Octets);
    }

    private bool Stand(BerSnapshotEvent what)
    {
        Event = what;
        return true;
    }
}
