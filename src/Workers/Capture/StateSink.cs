using System.Buffers;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Capture;

/// <summary>The sink of a unit without pages: keeps its octets until the execution has ended, then they are stored as one.</summary>
internal sealed class StateSink(UnitRegistration unit, int limit, Action<long> written) : IUnitSink
{
    private readonly ArrayBufferWriter<byte> _octets = new();

    /// <summary>True when nothing was written.</summary>
    public bool IsEmpty => _octets.WrittenCount == 0;

    /// <summary>What was written.</summary>
    public ReadOnlyMemory<byte> State => _octets.WrittenMemory;

    /// <inheritdoc/>
    public ValueTask<PageChunk> RentAsync(CancellationToken cancellation) => throw NoPages();

    /// <inheritdoc/>
    public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages) => throw NoPages();

    /// <inheritdoc/>
    public ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation) => throw NoPages();

    /// <inheritdoc/>
    public ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (state.Length > limit - _octets.WrittenCount)
            throw new SnapshotException(ErrorCode.Incompatible, $"unit {unit.Key} has more than {limit} octets of state");
        _octets.Write(state.Span);
        written(state.Length);
        return ValueTask.CompletedTask;
    }

    private NotSupportedException NoPages() => new($"unit {unit.Key} is no RAM block");
}
