namespace Cutpoint.Durability;

/// <summary>A lease that was granted.</summary>
/// <param name="Name">What is leased.</param>
/// <param name="Holder">Who holds it; unique to one start of one process.</param>
/// <param name="Epoch">Rises with every grant, also over the end of leases; the token every fenced write carries.</param>
/// <param name="TrustedUntil">
/// Up to this reading of the process's monotonic clock the holder may believe in it without asking: shorter than the lease, and counted from before the
/// request, so that an answer that came late never makes it longer.
/// </param>
public sealed record Lease(string Name, string Holder, long Epoch, long TrustedUntil);
