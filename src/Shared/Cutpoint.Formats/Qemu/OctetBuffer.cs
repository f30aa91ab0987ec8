namespace Cutpoint.Formats.Qemu;

/// <summary>Octets that are appended to and then read; grows by doubling.</summary>
internal sealed class OctetBuffer
{
    private byte[] _octets = [];

    public int Length { get; private set; }

    public ReadOnlyMemory<byte> Octets => _octets.AsMemory(0, Length);

    public void Append(ReadOnlySpan<byte> octets)
    {
        var length = Length + octets.Length;
        if (length > _octets.Length) Array.Resize(ref _octets, Math.Max(length, (int)Math.Min(2L * _octets.Length, Array.MaxLength)));
        octets.CopyTo(_octets.AsSpan(Length));
        Length = length;
    }

    public void Truncate(int length) => Length = length;
}
