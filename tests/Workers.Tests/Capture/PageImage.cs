using System.Numerics;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>The RAM block that the appended chunks add up to.</summary>
internal sealed class PageImage(int pages)
{
    private readonly byte[] _octets = new byte[(long)pages * Paging.PageSize];

    /// <summary>Pages stored, each as often as it was.</summary>
    public int Stored { get; private set; }

    public void Apply(ReadOnlySpan<ExtentPages> extents, ReadOnlySpan<byte> octets)
    {
        foreach (var extent in extents)
        {
            for (var rest = extent.Zero; rest != 0; rest &= rest - 1) At(extent.Extent, rest).Clear();
            for (var rest = extent.Present; rest != 0; rest &= rest - 1)
            {
                octets[..Paging.PageSize].CopyTo(At(extent.Extent, rest));
                octets = octets[Paging.PageSize..];
                Stored++;
            }
        }
    }

    public void AssertEquals(ReadOnlySpan<byte> truth)
    {
        Assert.Equal(truth.Length, _octets.Length);
        for (var page = 0; page < truth.Length / Paging.PageSize; page++)
        {
            var at = page * Paging.PageSize;
            Assert.True(truth.Slice(at, Paging.PageSize).SequenceEqual(_octets.AsSpan(at, Paging.PageSize)), $"page {page} differs");
        }
    }

    private Span<byte> At(int extent, ulong rest) =>
        _octets.AsSpan(((extent * Paging.PagesPerExtent) + BitOperations.TrailingZeroCount(rest)) * Paging.PageSize, Paging.PageSize);
}
