using System.Collections.Concurrent;
using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>A store that applies what is appended, in the order it is appended, to an image.</summary>
internal sealed class ImageStore(IGuestStore inner, PageImage image) : IGuestStore
{
    private readonly ConcurrentDictionary<EncodedSection, (ExtentPages[] Extents, byte[] Pages)> _encoded = new();

    public PageHasher Hasher => inner.Hasher;

    public BaseReport? Base => inner.Base;

    public ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation) =>
        inner.ReadKnownPagesAsync(handler, cancellation);

    public EncodedSection Encode(PageChunk chunk)
    {
        var (extents, pages) = (chunk.Extents.ToArray(), chunk.Pages.ToArray());
        var section = inner.Encode(chunk);
        _encoded[section] = (extents, pages);
        return section;
    }

    public ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
    {
        _encoded.TryRemove(section, out var content);
        image.Apply(content.Extents, content.Pages);
        return inner.AppendAsync(section, cancellation);
    }

    public ValueTask AppendAsync(DeviceState device, CancellationToken cancellation) => inner.AppendAsync(device, cancellation);

    public ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation) => default;
}
