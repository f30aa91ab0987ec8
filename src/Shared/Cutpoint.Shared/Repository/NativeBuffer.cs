using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Octets outside of the collected heap. Has one owner, who disposes it; disposing returns it to its pool, which keeps a few, because the
/// first touch of fresh memory costs more than the work done in it.
/// </summary>
internal sealed unsafe class NativeBuffer(NativeBufferPool pool, int length) : IDisposable
{
    private readonly byte* _memory = NativePages.Allocate((nuint)length);

    public Span<byte> Span => new(_memory, length);

    public void Dispose() => pool.Return(this);

    public void Free() => NativePages.Free(_memory);
}
