using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>What a unit sees of the load it takes part in. Valid during the unit's callbacks only.</summary>
public sealed class LoadContext
{
    private readonly UnitLoad _load;
    private IUnitSource? _source;

    internal LoadContext(UnitLoad load, UnitRegistration unit)
    {
        _load = load;
        Unit = unit;
    }

    /// <summary>The unit.</summary>
    public UnitRegistration Unit { get; }

    /// <summary>True when a live save wrote what is loaded.</summary>
    public bool IsLive => _load.IsLive;

    /// <summary>What becomes of the guest.</summary>
    public LoadAfter After => _load.After;

    /// <summary>The load's status so far: its first failure counts.</summary>
    public SavedStateStatus Status => _load.Status;

    /// <summary>The section in hand.</summary>
    /// <exception cref="UnitException">The unit is not being loaded (<see cref="SavedStateStatus.InvalidState"/>).</exception>
    public IUnitSource Source => _source ?? throw new UnitException(
        SavedStateStatus.InvalidState, $"unit {Unit.Key}: state can be read only while the unit is loaded");

    /// <summary>What a live save noted about its own progress at this point, 0 to 100.</summary>
    public void ReportPercent(double percent) => _load.ReportPercent(percent);

    /// <summary>Fails the load without ending the callback: it ends when the callback has returned. The first failure counts.</summary>
    /// <param name="error">A negative status.</param>
    /// <returns>The status that counts.</returns>
    public SavedStateStatus SetStatus(SavedStateStatus error)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((int)error, 0);
        _load.SetFault(new UnitException(error, $"unit {Unit.Key}: {SavedStateStatusNames.NameOf(error)}"));
        return Status;
    }

    internal void Attach(IUnitSource? source) => _source = source;
}
