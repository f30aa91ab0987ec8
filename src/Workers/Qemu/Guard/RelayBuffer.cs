namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>Octets on their way from one descriptor to another. Grows as needed; its user bounds it.</summary>
internal struct RelayBuffer(int size)
{
    private byte[] _octets = new byte[size];
    private int _start;
    private int _end;

    internal readonly int Length => _end - _start;

    internal readonly ReadOnlySpan<byte> Octets => _octets.AsSpan(_start, Length);

    /// <summary>The whole lines in front.</summary>
    internal readonly ReadOnlySpan<byte> Lines => Octets[..(Octets.LastIndexOf((byte)'\n') + 1)];

    internal readonly bool HasLine => Octets.Contains((byte)'\n');

    /// <summary>Room for this many more octets, behind those that are there.</summary>
    internal Span<byte> Free(int count)
    {
        if (_octets.Length - _end < count)
        {
            var length = Length;
            var target = _octets.Length - length >= count ? _octets : new byte[Math.Max(_octets.Length * 2, length + count)];
            Octets.CopyTo(target);
            (_octets, _start, _end) = (target, 0, length);
        }
        return _octets.AsSpan(_end, count);
    }

    internal void Added(int count) => _end += count;

    internal void Taken(int count)
    {
        _start += count;
        if (_start == _end) (_start, _end) = (0, 0);
    }
}
