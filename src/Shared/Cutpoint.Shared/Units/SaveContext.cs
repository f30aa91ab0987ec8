using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>What a unit sees of the save it takes part in. Valid during the unit's callbacks only.</summary>
public sealed class SaveContext
{
    private readonly UnitSave _save;
    private IUnitSink? _sink;

    internal SaveContext(UnitSave save, UnitRegistration unit)
    {
        _save = save;
        Unit = unit;
    }

    /// <summary>The unit.</summary>
    public UnitRegistration Unit { get; }

    /// <summary>True when the guest runs while it is saved, up to the final pass.</summary>
    public bool IsLive => _save is LiveSave;

    /// <summary>What becomes of the guest.</summary>
    public SaveAfter After => _save.Options.After;

    /// <summary>The pause the save may cause; null for a guest that is stopped anyway and when any pause is fine.</summary>
    public TimeSpan? MaxDowntime => IsLive ? _save.Options.MaxDowntime : null;

    /// <summary>The save's status so far: its first failure counts.</summary>
    public SavedStateStatus Status => _save.Status;

    /// <summary>Where this unit's state goes.</summary>
    /// <exception cref="UnitException">The unit is not being executed (<see cref="SavedStateStatus.InvalidState"/>).</exception>
    public IUnitSink Sink => _sink ?? throw new UnitException(
        SavedStateStatus.InvalidState, $"unit {Unit.Key}: state can be written only while the unit is executed");

    /// <summary>During a vote: how far this unit has come, 0 to 100. The lowest of all units counts; ignored outside of votes.</summary>
    public void ReportPercent(int percent)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(percent);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(percent, 100);
        (_save as LiveSave)?.ReportPercent(percent);
    }

    /// <summary>Fails the save without ending the callback: it ends when the callback has returned. The first failure counts.</summary>
    /// <param name="error">A negative status.</param>
    /// <returns>The status that counts.</returns>
    public SavedStateStatus SetStatus(SavedStateStatus error)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((int)error, 0);
        _save.SetFault(new UnitException(error, $"unit {Unit.Key}: {SavedStateStatusNames.NameOf(error)}"));
        return Status;
    }

    internal void Attach(IUnitSink? sink) => _sink = sink;
}
