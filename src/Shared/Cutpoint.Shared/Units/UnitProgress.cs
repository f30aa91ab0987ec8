namespace Cutpoint.Units;

/// <summary>
/// Turns octets and votes into whole percents as the saved state contract does, section A.8. Safe for concurrent use; percents come in order.
/// </summary>
internal sealed class UnitProgress(Action<int>? report, int live, int prepare, int done)
{
    private readonly Lock _gate = new();
    private long _estimate;
    private long _unitEnd;
    private long _octets;
    private Int128 _threshold;
    private int _percent;

    /// <summary>Octets all units together will write, or the length of what is loaded.</summary>
    public void AddEstimate(long octets)
    {
        lock (_gate) _estimate = octets > long.MaxValue - _estimate ? long.MaxValue : _estimate + octets;
    }

    /// <summary>The preparations are over: octets count from here.</summary>
    public void EndPrepare()
    {
        lock (_gate)
        {
            report?.Invoke(prepare + live - 1);
            _percent = prepare + live;
        }
    }

    /// <summary>A unit begins that may advance by its estimate and no more.</summary>
    public void BeginUnit(long estimate)
    {
        lock (_gate) _unitEnd = estimate > long.MaxValue - _unitEnd ? long.MaxValue : _unitEnd + estimate;
    }

    /// <summary>Octets of the unit have been dealt with.</summary>
    public void Advance(long octets)
    {
        lock (_gate)
        {
            _octets += Math.Min(octets, _unitEnd - _octets);
            while (_octets >= _threshold && _percent <= 100 - done)
            {
                report?.Invoke(_percent);
                _percent++;
                _threshold = (Int128)(_percent - prepare - live) * _estimate / (100 - done - prepare - live);
            }
        }
    }

    /// <summary>The unit has ended, whatever it wrote.</summary>
    public void EndUnit()
    {
        lock (_gate) Advance(_unitEnd - _octets);
    }

    /// <summary>Reports a percent.</summary>
    public void Set(int percent)
    {
        lock (_gate)
        {
            _percent = percent;
            report?.Invoke(percent);
        }
    }

    /// <summary>Reports a percent if it is news, and says whether it was.</summary>
    public bool Change(int percent)
    {
        lock (_gate)
        {
            if (percent == _percent) return false;
            Set(percent);
            return true;
        }
    }

    /// <summary>Percents of the live passes.</summary>
    public int LiveShare => live;

    /// <summary>Percent after which the final pass begins.</summary>
    public int Prepared => live + prepare;

    /// <summary>Percents of the final pass.</summary>
    public int FinalShare => 100 - live - prepare - done;
}
