using System.Collections.Immutable;
using System.Text;
using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>
/// The ordered list of a guest's units; its order is the order of every run. Rules of the saved state contract, sections A.2 and A.3. A unit that is
/// registered while a save is under way takes part from the next run over the list on. Safe for concurrent use.
/// </summary>
public sealed class UnitRegistry
{
    /// <summary>Octets a name may have in a saved state file.</summary>
    public const int SavedStateNameLimit = 47;

    private readonly Lock _gate = new();
    private readonly int _maxNameOctets;
    private ImmutableArray<UnitRegistration> _units = [];
    private UnitRun? _run;

    /// <summary>Creates an empty registry.</summary>
    /// <param name="maxNameOctets">The longest name in octets of UTF-8; QEMU's block names need up to 255.</param>
    public UnitRegistry(int maxNameOctets = SavedStateNameLimit)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxNameOctets, 1);
        _maxNameOctets = maxNameOctets;
    }

    /// <summary>The units in order: a snapshot.</summary>
    public IReadOnlyList<UnitRegistration> Units => Snapshot;

    internal ImmutableArray<UnitRegistration> Snapshot
    {
        get { lock (_gate) return _units; }
    }

    /// <summary>Adds a unit: at the end, or in front of the first unit named <see cref="UnitRegistration.Before"/>.</summary>
    /// <exception cref="UnitException">The name is empty or too long, the key is taken, or an owner is missing.</exception>
    public void Register(UnitRegistration unit)
    {
        CheckName(unit.Key.Name);
        if (unit.Before is { } before)
        {
            CheckName(before);
            if (unit.Kind != UnitKind.Device)
                throw new UnitException(SavedStateStatus.InvalidParameter, $"unit {unit.Key}: only a device can be placed before another unit");
        }
        if (HasOwner(unit.Kind) != unit.Owner is not null)
            throw new UnitException(SavedStateStatus.InvalidParameter, $"unit {unit.Key}: devices, drivers and USB devices have an owner, others have none");
        ArgumentOutOfRangeException.ThrowIfNegative(unit.EstimatedSize, nameof(unit));
        lock (_gate)
        {
            var at = _units.Length;
            for (var i = 0; i < _units.Length; i++)
            {
                if (_units[i].Key == unit.Key)
                    throw new UnitException(SavedStateStatus.UnitExists, $"unit {unit.Key} is registered already");
                if (at == _units.Length && _units[i].Key.Name == unit.Before) at = i;
            }
            _units = _units.Insert(at, unit);
        }
    }

    /// <summary>
    /// Removes the units of an owner. With a name: exactly (name, instance). Without: every unit of the owner, and for a device only those of that
    /// instance; finding none is then no error.
    /// </summary>
    /// <exception cref="UnitException">No such unit, or it belongs to another owner, or the kind has no owners.</exception>
    public void Deregister(UnitKind kind, object owner, uint instance, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(owner);
        if (!HasOwner(kind)) throw new UnitException(SavedStateStatus.InvalidParameter, $"units of kind {kind} are deregistered by name");
        lock (_gate)
        {
            if (name is null)
            {
                _units = _units.RemoveAll(u => u.Kind == kind && ReferenceEquals(u.Owner, owner)
                    && (kind != UnitKind.Device || u.Key.Instance == instance));
                return;
            }
            var key = new UnitKey(name, instance);
            var found = _units.FirstOrDefault(u => u.Kind == kind && u.Key == key) ?? throw NotFound(key.ToString());
            if (!ReferenceEquals(found.Owner, owner))
                throw new UnitException(SavedStateStatus.UnitNotOwner, $"unit {key} belongs to another owner");
            _units = _units.Remove(found);
        }
    }

    /// <summary>Removes the first internal or external unit of that name, whatever its instance.</summary>
    /// <exception cref="UnitException">No such unit of that kind, or the kind needs an owner.</exception>
    public void Deregister(UnitKind kind, string name)
    {
        if (HasOwner(kind)) throw new UnitException(SavedStateStatus.InvalidParameter, $"units of kind {kind} are deregistered by their owner");
        lock (_gate)
            _units = _units.Remove(_units.FirstOrDefault(u => u.Kind == kind && u.Key.Name == name) ?? throw NotFound(name));
    }

    /// <summary>
    /// Cancels the save or load under way: <see cref="SavedStateStatus.Ok"/>, <see cref="SavedStateStatus.NoPendingOperation"/> or
    /// <see cref="SavedStateStatus.AlreadyCancelled"/>. Takes effect at the next point of observation: section A.7.
    /// </summary>
    public SavedStateStatus Cancel()
    {
        lock (_gate) return _run is { } run ? run.Cancel() : SavedStateStatus.NoPendingOperation;
    }

    internal UnitRegistration? Find(UnitKey key) => Snapshot.FirstOrDefault(u => u.Key == key);

    /// <summary>One save or load at a time.</summary>
    internal void Enter(UnitRun run)
    {
        lock (_gate)
        {
            if (_run is not null)
                throw new UnitException(SavedStateStatus.InvalidState, "a save or load of this guest is under way", "wait for it, or cancel it");
            _run = run;
        }
    }

    internal void Leave(UnitRun run)
    {
        lock (_gate)
        {
            if (ReferenceEquals(_run, run)) _run = null;
        }
    }

    private static bool HasOwner(UnitKind kind) => kind is UnitKind.Device or UnitKind.Driver or UnitKind.Usb;

    private static UnitException NotFound(string what) => new(SavedStateStatus.UnitNotFound, $"no unit {what} is registered");

    private void CheckName(string name)
    {
        if (name.Length == 0) throw new UnitException(SavedStateStatus.InvalidParameter, "a unit needs a name");
        if (Encoding.UTF8.GetByteCount(name) is var octets && octets > _maxNameOctets)
            throw new UnitException(SavedStateStatus.OutOfRange, $"unit name '{name}' has {octets} octets, at most {_maxNameOctets} are allowed");
    }
}
