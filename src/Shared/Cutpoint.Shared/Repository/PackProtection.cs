using System.Security.Cryptography;

namespace Cutpoint.Repository;

/// <summary>What makes the packs of an encrypted repository readable and writable. Safe for concurrent use.</summary>
internal sealed class PackProtection(DataKey key) : IDisposable
{
    private const int RetainedBuffers = 4;

    private readonly NativeBufferPool _buffers = new(PackFile.SectionBufferLength, RetainedBuffers);

    /// <summary>The cipher of a new writer.</summary>
    public PackCipher Create(PackId pack) => new(key, pack, RandomNumberGenerator.GetBytes(PackCipher.SaltLength));

    /// <summary>The cipher of a writer that was.</summary>
    public PackCipher Open(PackId pack, ReadOnlySpan<byte> salt) => new(key, pack, salt);

    /// <summary>A buffer for a section that is to be sealed.</summary>
    public NativeBuffer RentBuffer() => _buffers.Rent();

    public void Dispose() => _buffers.Dispose();
}
