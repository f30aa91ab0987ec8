namespace Cutpoint.Formats.Ber;

/// <summary>A RAM block of the guest.</summary>
/// <param name="Name">Its name, such as <c>pc.ram</c>.</param>
/// <param name="Length">Octets in use.</param>
public sealed record BerRamBlock(string Name, ulong Length);
