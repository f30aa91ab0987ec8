namespace Cutpoint.Formats.Elf;

/// <summary>A guest's memory by guest-physical addresses.</summary>
public interface IGuestMemory
{
    /// <summary>Reads octets.</summary>
    /// <param name="address">First guest-physical address.</param>
    /// <param name="octets">Filled whole when the result is true.</param>
    /// <param name="cancellation">Cancels the read.</param>
    /// <returns>False when some of it is no memory.</returns>
    ValueTask<bool> TryReadAsync(ulong address, Memory<byte> octets, CancellationToken cancellation);
}
