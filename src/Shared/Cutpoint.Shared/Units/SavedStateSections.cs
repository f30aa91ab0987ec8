using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;

namespace Cutpoint.Units;

/// <summary>Loads units out of a saved state, section by section. The stream stays the caller's. One load.</summary>
public sealed class SavedStateSections : IUnitSections, IUnitSource
{
    private readonly SavedStateReader _reader;
    private Action<long> _consumed = static _ => { };
    private long _told;

    private SavedStateSections(SavedStateReader reader, long? length)
    {
        _reader = reader;
        Length = length;
        Values = new SavedStateValueReader(reader);
    }

    /// <summary>Opens a saved state.</summary>
    /// <param name="stream">Stands at the beginning. One that can seek is taken for a file, whose end is checked first.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    /// <exception cref="SavedStateException">It is none, or damaged.</exception>
    public static async Task<SavedStateSections> OpenAsync(Stream stream, CancellationToken cancellation) =>
        new(await SavedStateReader.OpenAsync(stream, cancellation).ConfigureAwait(false), stream.CanSeek ? stream.Length : null);

    /// <inheritdoc/>
    public long? Length { get; }

    /// <inheritdoc/>
    public bool IsLive => _reader.Header.IsLive;

    /// <summary>What the beginning of the file says: who wrote it, on which host.</summary>
    public SavedStateHeader Header => _reader.Header;

    /// <summary>Reads typed values out of the section in hand.</summary>
    public SavedStateValueReader Values { get; }

    /// <inheritdoc/>
    public async ValueTask<UnitSection?> NextAsync(Action<long> consumed, CancellationToken cancellation)
    {
        _consumed = consumed;
        if (await _reader.NextUnitAsync(cancellation).ConfigureAwait(false) is not { } unit) return null;
        // Headers of units do not count.
        _told = _reader.Offset;
        return new UnitSection(new UnitKey(unit.Name, unit.Instance), unit.Version, unit.Pass, this);
    }

    /// <inheritdoc/>
    public async ValueTask EndAsync(bool skip, CancellationToken cancellation)
    {
        // What failed inside of the section counts, even if its unit hides it.
        Values.ThrowIfFailed();
        try
        {
            if (skip) await _reader.SkipAsync(cancellation).ConfigureAwait(false);
            else await _reader.EndAsync(cancellation).ConfigureAwait(false);
        }
        finally
        {
            Tell();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<int> ReadAsync(Memory<byte> state, CancellationToken cancellation)
    {
        var count = await _reader.ReadAsync(state, cancellation).ConfigureAwait(false);
        Tell();
        return count;
    }

    /// <inheritdoc/>
    public ValueTask<PageChunk?> ReadPagesAsync(CancellationToken cancellation) => throw SavedStateSinks.NoPages();

    private void Tell()
    {
        _consumed(_reader.Offset - _told);
        _told = _reader.Offset;
    }
}
