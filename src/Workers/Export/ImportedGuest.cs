using Cutpoint.Guests;

namespace Cutpoint.Workers.Export;

/// <summary>What a file says of its guest, beside the memory.</summary>
/// <param name="Description">What the guest is; its blocks are those of the memory.</param>
/// <param name="Devices">Its devices.</param>
/// <param name="Notes">What one should know of the file, one line each.</param>
internal sealed record ImportedGuest(GuestDescription Description, IReadOnlyList<DeviceState> Devices, IReadOnlyList<string> Notes);
