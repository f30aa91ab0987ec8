namespace Cutpoint.Formats.Kdump;

/// <summary>A file that is written at places, each once; what is not written is zero.</summary>
public interface IPlacedOutput
{
    /// <summary>Puts octets at a place.</summary>
    void Write(long position, ReadOnlySpan<byte> octets);
}
