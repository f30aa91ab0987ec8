using Cutpoint.Formats.Ssm;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Units;

/// <summary>The input of a load: sections of a given length and nothing in them, counted as they are read.</summary>
internal sealed class TraceSections(long length, TraceSection[] sections) : IUnitSections, IUnitSource
{
    private int _next;
    private Action<long> _consumed = static _ => { };
    private long _left;

    public long? Length => length;

    public bool IsLive => false;

    public ValueTask<UnitSection?> NextAsync(Action<long> consumed, CancellationToken cancellation)
    {
        if (_next == sections.Length) return ValueTask.FromResult<UnitSection?>(null);
        _consumed = consumed;
        var section = sections[_next++];
        _left = section.Octets;
        return ValueTask.FromResult<UnitSection?>(
            new UnitSection(new(section.Name, section.Instance), section.Version, UnitRegistration.FinalPass, this));
    }

    public void Consume()
    {
        _consumed(_left);
        _left = 0;
    }

    public ValueTask EndAsync(bool skip, CancellationToken cancellation)
    {
        Consume();
        var section = sections[_next - 1];
        _consumed(section.More);
        return section.AtEnd == SavedStateStatus.Ok
            ? default
            : throw new UnitException(section.AtEnd, $"unit {section.Name} was not read exactly");
    }

    public ValueTask<int> ReadAsync(Memory<byte> state, CancellationToken cancellation) => throw new InvalidOperationException();

    public ValueTask<Cutpoint.Guests.PageChunk?> ReadPagesAsync(CancellationToken cancellation) => throw new InvalidOperationException();
}

/// <summary>One of them.</summary>
/// <param name="Name">The unit.</param>
/// <param name="Octets">Read while it loads.</param>
/// <param name="Instance">Its instance.</param>
/// <param name="Version">Its version.</param>
/// <param name="AtEnd">What the reader finds at its end.</param>
/// <param name="More">Octets read to find that.</param>
internal sealed record TraceSection(
    string Name, long Octets, uint Instance = 0, uint Version = 1, SavedStateStatus AtEnd = SavedStateStatus.Ok, long More = 0);
