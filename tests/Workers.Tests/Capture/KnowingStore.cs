using System.Numerics;
using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>A store that has some pages already, each with a content of its own, and keeps what is said about extents.</summary>
internal sealed class KnowingStore(params ExtentPages[] known) : IGuestStore, IDisposable
{
    private readonly SectionEncoder _encoder = new(new Codec(CodecKind.None, 0));

    public List<ExtentPages> Appended { get; } = [];

    public PageHasher Hasher { get; } = new(new byte[PageHasher.SecretLength]);

    public BaseReport? Base => null;

    public static byte[] Page(int extent, int page)
    {
        var octets = new byte[Paging.PageSize];
        octets[0] = (byte)(1 + extent);
        octets[1] = (byte)page;
        return octets;
    }

    public ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation)
    {
        foreach (var extent in known)
        {
            var hashes = new List<UInt128>();
            for (var rest = extent.Present; rest != 0; rest &= rest - 1) hashes.Add(Hasher.Hash(Page(extent.Extent, BitOperations.TrailingZeroCount(rest))));
            handler(0, extent, hashes.ToArray());
        }
        return ValueTask.FromResult(new KnownPages(known.Sum(extent => extent.PresentCount), 0));
    }

    public EncodedSection Encode(PageChunk chunk) => _encoder.Encode(chunk);

    public ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
    {
        using (section) Appended.AddRange(section.Extents);
        return default;
    }

    public ValueTask AppendAsync(DeviceState device, CancellationToken cancellation) => default;

    public void Dispose() => _encoder.Dispose();

    public ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation) => default;
}
