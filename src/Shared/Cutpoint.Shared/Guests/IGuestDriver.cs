namespace Cutpoint.Guests;

/// <summary>Opens guests of one kind. Safe for concurrent use.</summary>
public interface IGuestDriver
{
    /// <summary>The scheme of the guest URIs this driver serves, in lower case: "qemu", "reference".</summary>
    string Scheme { get; }

    /// <summary>
    /// The preflight: connects, looks, chooses transport and strategy, and changes nothing about the guest. A guest that cannot be captured as asked is
    /// refused here, with a reason and a remedy.
    /// </summary>
    /// <param name="uri">The guest.</param>
    /// <param name="options">What the user asks.</param>
    /// <param name="cancellation">Ends the attempt; the guest is left as it was.</param>
    /// <returns>A capture that has not begun. Its owner disposes it.</returns>
    /// <exception cref="SnapshotException">
    /// The guest cannot be captured; <see cref="SnapshotException.IsPreflight"/> is set. <see cref="ErrorCode.NotConverged"/> when
    /// <see cref="CaptureOptions.Downtime"/> lies below the floor of every transport.
    /// </exception>
    Task<IGuestCapture> OpenAsync(GuestUri uri, CaptureOptions options, CancellationToken cancellation);
}
