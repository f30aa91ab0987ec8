using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>Encodes for real and keeps nothing but counts.</summary>
internal sealed class MemoryStore : IGuestStore, IDisposable
{
    private readonly SectionEncoder _encoder = new(new Codec(CodecKind.Lz4, 0));

    public List<ExtentPages> Appended { get; } = [];

    public List<DeviceState> Devices { get; } = [];

    public PageHasher Hasher { get; } = new(new byte[PageHasher.SecretLength]);

    public BaseReport? Base => null;

    public ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation) => default;

    public EncodedSection Encode(PageChunk chunk) => _encoder.Encode(chunk);

    public ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
    {
        using (section) Appended.AddRange(section.Extents);
        return default;
    }

    public ValueTask AppendAsync(DeviceState device, CancellationToken cancellation)
    {
        Devices.Add(device);
        return default;
    }

    public ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation) => default;

    public void Dispose() => _encoder.Dispose();
}
