using Cutpoint.Guests;
using Cutpoint.Jobs;

namespace Cutpoint.Nodes;

/// <summary>The last word about a guest of which everything was sent.</summary>
/// <param name="Description">What the guest is, as of the cut.</param>
/// <param name="Record">How its capture went.</param>
public sealed record SealedGuest(GuestDescription Description, GuestRecord Record);
