namespace Cutpoint.Formats.Qemu;

/// <summary>Guest-physical memory while it is put together: what is put later covers what was there.</summary>
internal sealed class PhysicalSurface
{
    private readonly List<PhysicalRange> _ranges = [];

    /// <summary>The ranges ascending, neighbours that continue one another joined.</summary>
    public IReadOnlyList<PhysicalRange> Ranges
    {
        get
        {
            var joined = new List<PhysicalRange>(_ranges.Count);
            foreach (var range in _ranges.OrderBy(r => r.Address))
            {
                var last = joined.Count > 0 ? joined[^1] : null;
                if (last is not null && last.Block == range.Block && last.IsReadOnly == range.IsReadOnly &&
                    last.Address + last.Length == range.Address && last.Offset + (long)last.Length == range.Offset)
                    joined[^1] = last with { Length = last.Length + range.Length };
                else
                    joined.Add(range);
            }

            return joined;
        }
    }

    public void Put(PhysicalRange range)
    {
        Clear(range.Address, range.Length);
        _ranges.Add(range);
    }

    /// <summary>Makes a hole.</summary>
    public void Clear(ulong address, ulong length)
    {
        // Last octets, not ends: the last range may end at 2^64.
        var last = address + (length - 1);
        for (var i = _ranges.Count - 1; i >= 0; i--)
        {
            var old = _ranges[i];
            var oldLast = old.Address + (old.Length - 1);
            if (oldLast < address || old.Address > last) continue;
            _ranges.RemoveAt(i);
            if (old.Address < address) _ranges.Add(old with { Length = address - old.Address });
            if (oldLast > last)
            {
                var covered = last + 1 - old.Address;
                _ranges.Add(old with { Address = last + 1, Length = oldLast - last, Offset = old.Offset + (long)covered });
            }
        }
    }
}
