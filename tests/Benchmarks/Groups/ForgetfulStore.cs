using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Benchmarks.Groups;

/// <summary>Encodes what it is given as a repository would, and keeps nothing: a cut is measured, not a disk.</summary>
internal sealed class ForgetfulStore : IGuestStore
{
    private static readonly SectionEncoder Encoder = new(new Codec(CodecKind.Lz4, 0));

    public PageHasher Hasher { get; } = new(new byte[PageHasher.SecretLength]);

    public BaseReport? Base => null;

    public ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation) => default;

    public EncodedSection Encode(PageChunk chunk) => Encoder.Encode(chunk);

    public ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
    {
        section.Dispose();
        return default;
    }

    public ValueTask AppendAsync(DeviceState device, CancellationToken cancellation) => default;

    public ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation) => default;
}
