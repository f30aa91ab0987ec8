namespace Cutpoint.Units;

/// <summary>A unit as its owner registers it. Compared by reference: the registry hands back the object it was given.</summary>
/// <param name="Kind">Who registers it.</param>
/// <param name="Key">Its unique key.</param>
/// <param name="Version">Version of its data's layout; opaque, handed back at load.</param>
/// <param name="EstimatedSize">Octets it will save in one round; drives progress and the limit of growth.</param>
/// <param name="Callbacks">What it does.</param>
public sealed record UnitRegistration(UnitKind Kind, UnitKey Key, uint Version, long EstimatedSize, UnitCallbacks Callbacks)
{
    /// <summary>The pass number of everything saved while the guest is stopped.</summary>
    public const uint FinalPass = uint.MaxValue;

    /// <summary>A unit that nobody implements any more: it saves nothing, and what an older guest saved of it is passed over.</summary>
    public static UnitRegistration Stub(UnitKey key) => new(UnitKind.Internal, key, uint.MaxValue, 0, new UnitCallbacks
    {
        LoadExecute = static async (context, _, _, cancellation) =>
        {
            var rest = new byte[4096];
            while (await context.Source.ReadAsync(rest, cancellation).ConfigureAwait(false) > 0)
            {
            }
        },
    });

    /// <summary>Who may deregister it. Devices, drivers and USB devices need one.</summary>
    public object? Owner { get; init; }

    /// <summary>Devices only: name of the unit to be placed in front of; unknown names are fine.</summary>
    public string? Before { get; init; }

    /// <inheritdoc/>
    public bool Equals(UnitRegistration? other) => ReferenceEquals(this, other);

    /// <inheritdoc/>
    public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
}
