using System.Runtime.InteropServices;

namespace Cutpoint.Guests;

/// <summary>
/// Memory outside of the collected heap for buffers of megabytes, in large pages where the system gives them: the first touch of a small page costs more than
/// the work that is done in it, above all where this host is virtual itself.
/// </summary>
internal static unsafe partial class NativePages
{
    private const nuint LargePage = 2 << 20;
    private const int HugePage = 14; // MADV_HUGEPAGE

    /// <summary>Allocates octets, aligned to a large page. The contents are undefined.</summary>
    public static byte* Allocate(nuint length)
    {
        var memory = (byte*)NativeMemory.AlignedAlloc(length, LargePage);
        // A hint: a kernel without large pages refuses it, and small ones do.
        _ = madvise(memory, length, HugePage);
        return memory;
    }

    /// <summary>Frees what <see cref="Allocate"/> returned.</summary>
    public static void Free(byte* memory) => NativeMemory.AlignedFree(memory);

    [LibraryImport("libc")]
    private static partial int madvise(void* address, nuint length, int advice);
}
