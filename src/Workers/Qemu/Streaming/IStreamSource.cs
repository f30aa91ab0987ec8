namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>Where the octets of a migration stream come from. One reader at a time.</summary>
internal interface IStreamSource : IDisposable
{
    /// <summary>The next octets; waits for them. 0 after <see cref="Finish"/> when everything was read.</summary>
    Task<int> ReadAsync(Memory<byte> buffer);

    /// <summary>QEMU has written everything. A read that waits ends.</summary>
    void Finish();
}
