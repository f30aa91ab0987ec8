using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Workers.Tests.Capture;

/// <summary>A store in front of another one that lets a test look, wait and fail.</summary>
internal sealed class HookedStore(IGuestStore inner) : IGuestStore
{
    public Func<Task> OnAppend { get; set; } = () => Task.CompletedTask;

    public Action OnEncode { get; set; } = () => { };

    public Action OnSettle { get; set; } = () => { };

    public PageHasher Hasher => inner.Hasher;

    public BaseReport? Base => inner.Base;

    public ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation) =>
        inner.ReadKnownPagesAsync(handler, cancellation);

    public EncodedSection Encode(PageChunk chunk)
    {
        try
        {
            OnEncode();
        }
        catch
        {
            chunk.Dispose();
            throw;
        }
        return inner.Encode(chunk);
    }

    public async ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
    {
        try
        {
            await OnAppend().WaitAsync(cancellation);
        }
        catch
        {
            section.Dispose();
            throw;
        }
        await inner.AppendAsync(section, cancellation);
    }

    public ValueTask AppendAsync(DeviceState device, CancellationToken cancellation) => inner.AppendAsync(device, cancellation);

    public ValueTask SettleAsync(CancellationToken cancellation)
    {
        OnSettle();
        return inner.SettleAsync(cancellation);
    }

    public ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation) =>
        inner.SealAsync(description, record, cancellation);
}
