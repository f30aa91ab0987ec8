using System.Runtime.InteropServices;
using Cutpoint.Guests;

namespace Cutpoint.Compression;

/// <summary>
/// Hashes guest pages with XXH3-128 under a repository's secret, so that nobody who does not know the secret can make two pages of one
/// hash. Safe for concurrent use.
/// </summary>
public sealed unsafe class PageHasher
{
    private readonly byte[] _secret;

    /// <summary>Creates a hasher.</summary>
    /// <param name="secret"><see cref="SecretLength"/> random octets.</param>
    public PageHasher(ReadOnlySpan<byte> secret)
    {
        if (secret.Length != SecretLength) throw new ArgumentException($"A secret has {SecretLength} octets.", nameof(secret));
        // Pinned, so that no call has to pin it.
        _secret = GC.AllocateUninitializedArray<byte>(SecretLength, pinned: true);
        secret.CopyTo(_secret);
    }

    /// <summary>Octets of a secret.</summary>
    public static int SecretLength => Xxh3.SecretLength;

    /// <summary>The secret, for another node that hashes pages for the same repository.</summary>
    public byte[] ExportSecret() => [.. _secret];

    /// <summary>The hash of one page.</summary>
    /// <param name="page">One page.</param>
    public UInt128 Hash(ReadOnlySpan<byte> page)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(page.Length, Paging.PageSize);
        fixed (byte* start = page) return Xxh3.Hash(start, Paging.PageSize, Secret);
    }

    /// <summary>The hashes of pages that lie one behind the other.</summary>
    /// <param name="pages">Whole pages.</param>
    /// <param name="hashes">One for each page.</param>
    public void Hash(ReadOnlySpan<byte> pages, Span<UInt128> hashes)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(pages.Length, hashes.Length * Paging.PageSize);
        var secret = Secret;
        fixed (byte* start = pages)
        {
            for (var page = 0; page < hashes.Length; page++)
                hashes[page] = Xxh3.Hash(start + ((nint)page * Paging.PageSize), Paging.PageSize, secret);
        }
    }

    private byte* Secret => (byte*)Marshal.UnsafeAddrOfPinnedArrayElement(_secret, 0);
}
