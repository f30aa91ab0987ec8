using Cutpoint.Formats.Ssm;
using Cutpoint.Guests;

namespace Cutpoint.Units;

/// <summary>
/// Saves units into a saved state: a section for every execution, progress of a live save written down for the loading side. Each write of a unit is one item
/// of data. <see cref="CompleteAsync"/> is due after a save that succeeded; without it the file has no end, and readers refuse it. One save.
/// </summary>
public sealed class SavedStateSinks : IUnitSinks, IUnitSink
{
    /// <summary>How much of a percent the noted progress keeps: two digits, of what the saving itself leaves for the passes.</summary>
    private const double NotedShare = 98;

    private readonly SavedStateWriter _writer;
    private readonly UnitRegistry _registry;
    private Action<long> _written = static _ => { };
    private long _told;

    /// <summary>Begins a saved state. The stream stays the caller's.</summary>
    /// <param name="stream">Where to; need not seek.</param>
    /// <param name="registry">The units that are saved: their order is the directory's.</param>
    /// <param name="isLive">True for a <see cref="LiveSave"/>.</param>
    public SavedStateSinks(Stream stream, UnitRegistry registry, bool isLive)
    {
        _registry = registry;
        _writer = new SavedStateWriter(stream, new SavedStateHeader { UnitCount = registry.Units.Count, IsLive = isLive });
        Values = new SavedStateValueWriter(_writer);
    }

    /// <summary>Writes typed values into the section of the unit in hand.</summary>
    public SavedStateValueWriter Values { get; }

    /// <inheritdoc/>
    public ValueTask<IUnitSink> OpenAsync(UnitRegistration unit, uint pass, Action<long> written, CancellationToken cancellation)
    {
        _written = written;
        _writer.BeginUnit(unit.Key.Name, unit.Key.Instance, unit.Version, pass);
        return ValueTask.FromResult<IUnitSink>(this);
    }

    /// <inheritdoc/>
    public async ValueTask CloseAsync(UnitRegistration unit, uint pass, bool succeeded)
    {
        // A section without an end is what tells a reader that this save failed.
        if (!succeeded) return;
        await _writer.EndUnitAsync(CancellationToken.None).ConfigureAwait(false);
        Tell();
    }

    /// <inheritdoc/>
    public async ValueTask ReportAsync(uint pass, double percent, CancellationToken cancellation)
    {
        _writer.BeginUnit(SavedStateUnits.LiveControlName, 0, SavedStateUnits.Version, pass, isListed: false);
        Values.PutUInt16((ushort)Math.Min(percent * NotedShare, 10_000));
        await _writer.EndUnitAsync(cancellation).ConfigureAwait(false);
        _told = _writer.DataOctets;
    }

    /// <summary>Writes the end of the file.</summary>
    public Task CompleteAsync(CancellationToken cancellation) =>
        _writer.FinishAsync(cancellation, _registry.Units.Select(static unit => (unit.Key.Name, unit.Key.Instance))).AsTask();

    /// <inheritdoc/>
    public async ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        await _writer.WriteAsync(state, cancellation).ConfigureAwait(false);
        Tell();
    }

    /// <inheritdoc/>
    public ValueTask<PageChunk> RentAsync(CancellationToken cancellation) => throw NoPages();

    /// <inheritdoc/>
    public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages) => throw NoPages();

    /// <inheritdoc/>
    public ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation) => throw NoPages();

    internal static UnitException NoPages() => new(
        SavedStateStatus.NotSupported, "a saved state takes octets, not pages", "save the unit into a repository and export that");

    private void Tell()
    {
        var octets = _writer.DataOctets;
        _written(octets - _told);
        _told = octets;
    }
}
