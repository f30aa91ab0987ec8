namespace Cutpoint.TestGuests;

/// <summary>A note of a dump.</summary>
/// <param name="Name">Who defines it, such as "CORE" or "QEMU".</param>
/// <param name="Type">Its number there.</param>
/// <param name="Contents">The octets.</param>
public sealed record DumpNote(string Name, int Type, byte[] Contents);
