namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// Names the pages of one RAM block that may have changed. It may name too many, never too few; what is named is compared by page hash before it is stored.
/// One pass at a time; <see cref="MayHaveChanged"/> may be asked side by side.
/// </summary>
internal interface IDirtyTracker : IDisposable
{
    /// <summary>Its name, for people.</summary>
    string Name { get; }

    /// <summary>The shortest time the final pass takes with this tracker, while the guest is stopped.</summary>
    /// <param name="dataBytes">Octets of the block that are no hole.</param>
    /// <param name="processors">Processors that compare.</param>
    TimeSpan Floor(long dataBytes, int processors);

    /// <summary>Begins a pass: takes over what has changed since the last one began.</summary>
    void BeginPass();

    /// <summary>The pages of an extent that may have changed between the beginnings of the last two passes.</summary>
    ulong MayHaveChanged(int extent);
}
