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

    /// <summary>Tells what looking has cost: from then on the floor is that of this host and this guest, not one assumed. One call at a time.</summary>
    /// <param name="octets">Octets looked at.</param>
    /// <param name="work">Processor time it took, of all processors together.</param>
    void Observe(long octets, TimeSpan work);

    /// <summary>Begins a pass: takes over what has changed since the last one began. What that one did not get to stays named.</summary>
    /// <exception cref="SnapshotException">What has changed cannot be told.</exception>
    void BeginPass();

    /// <summary>
    /// Extents are about to be read for the first time: what is written from here on is named by the next pass. What was never announced may be named without need. May
    /// be called side by side.
    /// </summary>
    /// <param name="first">The first extent.</param>
    /// <param name="last">The last one.</param>
    /// <inheritdoc cref="BeginPass"/>
    void BeforeFirstRead(int first, int last);

    /// <summary>Ends a pass in which every page that was named has been looked at.</summary>
    void EndPass();

    /// <summary>The pages of an extent that may have changed between the beginnings of the last two passes.</summary>
    ulong MayHaveChanged(int extent);

    /// <summary>
    /// The pages that may have changed since the last pass began, as of now; they stay what the next pass takes over. Null when only a look at them would tell.
    /// </summary>
    /// <inheritdoc cref="BeginPass"/>
    PageSet? Pending();
}
