using Cutpoint.Units;

namespace Cutpoint.Guests;

/// <summary>
/// One guest under capture. The guest's supervisor calls, in this order and one call at a time: <see cref="BeginAsync"/>; live passes over
/// <see cref="Units"/>; <see cref="StopAsync"/>; the final pass; <see cref="ThawAsync"/>; <see cref="FinishAsync"/>; <see cref="IAsyncDisposable.DisposeAsync"/>.
/// With <see cref="RunsDuringFinalPass"/> the thaw comes before the final pass. <see cref="VoidAsync"/> instead of the thaw begins it anew with the passes.
/// Any call may be the last before the disposal.
/// <para>
/// Disposal puts back whatever was changed (capabilities, parameters, a migration under way) and never leaves a guest paused that ran before, unless the
/// thaw was asked with <c>run: false</c> and the job did not fail.
/// </para>
/// </summary>
public interface IGuestCapture : IAsyncDisposable
{
    /// <summary>What the guest is. The memory layout in it is that of the cut once <see cref="FinishAsync"/> has returned.</summary>
    GuestDescription Description { get; }

    /// <summary>The transport in use; never <see cref="CaptureTransport.Auto"/>.</summary>
    CaptureTransport Transport { get; }

    /// <summary>The strategy in use; never <see cref="CaptureStrategy.Auto"/>.</summary>
    CaptureStrategy Strategy { get; }

    /// <summary>Why this transport and strategy, in one line for people.</summary>
    string Reason { get; }

    /// <summary>
    /// The guest's units: one per RAM block (named like the block, instance 0, with pages), and every other part that is known before the cut. Devices a
    /// machine only names at the cut come from <see cref="FinishAsync"/>.
    /// </summary>
    UnitRegistry Units { get; }

    /// <summary>The shortest pause this capture can have, whatever the guest does: stop, the dirty tracker's scan, device state, run.</summary>
    TimeSpan PauseFloor { get; }

    /// <summary>True when the guest was running before the capture; only such a guest is ever made to run.</summary>
    bool WasRunning { get; }

    /// <summary>
    /// True when the machine keeps a copy of the stopped instant, so that the guest may run before the final pass has read it
    /// (<see cref="CaptureStrategy.Background"/>).
    /// </summary>
    bool RunsDuringFinalPass { get; }

    /// <summary>
    /// Octets of guest memory the pass under way has to look at, or those of the next one when none is; an estimate for progress. 0 when unknown.
    /// </summary>
    long PassBytes { get; }

    /// <summary>
    /// Cancelled when the guest went on, or ended, without this capture's doing; whatever was captured of it is void then. <see cref="Loss"/> says why.
    /// </summary>
    CancellationToken Lost { get; }

    /// <summary>Why the guest is no longer in this capture's hand, or null.</summary>
    SnapshotException? Loss { get; }

    /// <summary>Begins: may change the guest's settings, never its state.</summary>
    /// <param name="sinks">Where pages go, and how fast.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    ValueTask BeginAsync(ICaptureSinks sinks, CancellationToken cancellation);

    /// <summary>Stops the guest. A guest that was paused before is not touched.</summary>
    /// <returns>When it was known to be stopped.</returns>
    ValueTask<CutStamp> StopAsync(CancellationToken cancellation);

    /// <summary>
    /// Ends the stop. A guest that was paused before stays paused. Takes no cancellation: a guest is thawed in any case, and the machine's own answer is awaited.
    /// </summary>
    /// <param name="run">False leaves the guest stopped in the state of the cut.</param>
    /// <returns>Until when it was known to be stopped, or null when it is stopped still.</returns>
    /// <exception cref="SnapshotException">The guest did not hold until here, or cannot be made to run.</exception>
    ValueTask<CutStamp?> ThawAsync(bool run);

    /// <summary>
    /// Ends an attempt to cut that is void: a guest that ran before runs again, whatever had become of the stop, and what the attempt has captured counts for
    /// nothing. Live passes or another stop may follow.
    /// </summary>
    /// <returns>Until when it was known to be stopped, or null when it is stopped still, or ran already.</returns>
    ValueTask<CutStamp?> VoidAsync() => ThawAsync(run: true);

    /// <summary>
    /// After the final pass and the thaw: emits into the sinks what the stop secured in a copy of its own, and hands out the machine's device sections in
    /// their order. Units of <see cref="Units"/> are not among them.
    /// </summary>
    ValueTask<IReadOnlyList<DeviceState>> FinishAsync(CancellationToken cancellation);

    /// <summary>
    /// After the last page was emitted: looks for signs that a page of the cut was not, where that is not certain by the way the capture works. The guest may run
    /// meanwhile, and what was emitted may be on its way to the store.
    /// </summary>
    /// <exception cref="SnapshotException">The checkpoint would be wrong (<see cref="ErrorCode.VerificationFailed"/>).</exception>
    Task VerifyAsync(CancellationToken cancellation) => Task.CompletedTask;

    /// <summary>
    /// Says that the checkpoint is safe: from here on disposal leaves a guest stopped that <see cref="ThawAsync"/> left stopped. Without it, it runs again.
    /// </summary>
    void Keep();

    /// <summary>
    /// Says that nobody knows whether the checkpoint is safe: the guest is put back as without <see cref="Keep"/>, but what the checkpoint would need is left as
    /// it is. A capture that leaves nothing outside the checkpoint has nothing to do.
    /// </summary>
    void Leave()
    {
    }
}
