using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// A read-only view of a stopped guest's RAM block. Touch only pages that hold data: reading a hole of a tmpfs file here allocates it. Nobody may cut the file short while it exists: not checked, since
/// that cannot be checked; the guest itself would die of it too.
/// </summary>
internal sealed unsafe class RamMapping : IDisposable
{
    private readonly nuint _length;
    private byte* _start;

    public RamMapping(SafeFileHandle file, string name, long offset, long length)
    {
        _length = (nuint)length;
        var start = Libc.Map(null, _length, Libc.ProtectRead, Libc.MapShared, file, offset);
        if (start == (void*)-1)
            throw new SnapshotException(
                ErrorCode.Failed, $"RAM block '{name}' cannot be mapped: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        _start = (byte*)start;
    }

    /// <summary>Octets of the block.</summary>
    public ReadOnlySpan<byte> Read(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_start is null, this);
        ArgumentOutOfRangeException.ThrowIfGreaterThan((nuint)(offset + length), _length, nameof(length));
        return new ReadOnlySpan<byte>(_start + offset, length);
    }

    /// <summary>Makes the pages of a range present in one go, since a fault each costs more. An older kernel cannot; they come by faults then.</summary>
    public void Populate(long offset, long length) => _ = Libc.Advise(_start + offset, (nuint)length, Libc.PopulateRead);

    public void Dispose()
    {
        if (_start is null) return;
        _ = Libc.Unmap(_start, _length);
        _start = null;
    }
}
