using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Units;

namespace Cutpoint.Nodes;

/// <summary>
/// A coordinator's end of the store of one guest: appends to the checkpoint what a worker sends. The worker is entitled to send, not to be believed: every
/// section is checked before it is stored.
/// </summary>
/// <param name="line">The line for this guest alone; not owned.</param>
/// <param name="guest">Name of the guest in the job.</param>
/// <param name="codec">Codec of the sections.</param>
/// <param name="open">Makes the guest's place in the checkpoint.</param>
public sealed class GuestStoreServer(
    NodeLine line, string guest, string codec, Func<GuestDescription, CancellationToken, ValueTask<CheckpointGuestStore>> open)
{
    private const int MaxDeviceLength = 256 << 20;
    private const int HashBatch = 256 << 10;

    /// <summary>Serves the guest until the worker closes the line. An error is told to the worker, whose capture fails of it.</summary>
    public async Task RunAsync(CancellationToken cancellation)
    {
        try
        {
            if (await line.ReceiveAsync(cancellation).ConfigureAwait(false) is not { } first) return;
            if (first.Kind != FrameKind.OpenStore) throw line.Unexpected(first);
            var store = await open(Checked(line.Read(first, NodeJson.Default.GuestDescription)), cancellation).ConfigureAwait(false);
            await line.SendAsync(
                FrameKind.StoreOpened, new StoreTerms(store.Hasher.ExportSecret(), store.Identity.Key, codec, store.Base), NodeJson.Default.StoreTerms).ConfigureAwait(false);
            while (await line.ReceiveAsync(cancellation).ConfigureAwait(false) is { } frame) await TakeAsync(store, frame, cancellation).ConfigureAwait(false);
        }
        catch (Exception error) when (error is not OperationCanceledException)
        {
            await line.FailAsync(error).ConfigureAwait(false);
        }
    }

    private async Task TakeAsync(CheckpointGuestStore store, NodeFrame frame, CancellationToken cancellation)
    {
        switch (frame.Kind)
        {
            case FrameKind.ReadKnown:
                await SendKnownAsync(store, cancellation).ConfigureAwait(false);
                break;
            case FrameKind.Section:
                await store.AppendAsync(Receive(store, frame.Payload.Span), cancellation).ConfigureAwait(false);
                break;
            case FrameKind.Device:
                var device = await ReceiveAsync(line.Read(frame, NodeJson.Default.StoredDevice), cancellation).ConfigureAwait(false);
                await store.AppendAsync(device, cancellation).ConfigureAwait(false);
                break;
            case FrameKind.Seal:
                var last = line.Read(frame, NodeJson.Default.SealedGuest);
                await store.SealAsync(Checked(last.Description), last.Record, cancellation).ConfigureAwait(false);
                await line.SendAsync(FrameKind.Sealed).ConfigureAwait(false);
                break;
            default:
                throw line.Unexpected(frame);
        }
    }

    private static EncodedSection Receive(CheckpointGuestStore store, ReadOnlySpan<byte> frame)
    {
        var value = StoreFrames.Read(frame, out var block, out var extents);
        return store.Receive(block, extents, value);
    }

    private async Task SendKnownAsync(CheckpointGuestStore store, CancellationToken cancellation)
    {
        var batch = new byte[HashBatch];
        var used = 0;
        var known = await store.ReadKnownPagesAsync(
            (block, pages, hashes) =>
            {
                if (used + StoreFrames.LengthOf(hashes) > batch.Length) Send();
                StoreFrames.Write(batch.AsSpan(used), block, pages, hashes);
                used += StoreFrames.LengthOf(hashes);
            },
            cancellation).ConfigureAwait(false);
        Send();
        await line.SendAsync(FrameKind.Known, known, NodeJson.Default.KnownPages).ConfigureAwait(false);

        // On a thread of its own that reads packs; a worker that does not read ends with its lease.
        void Send()
        {
            line.SendAsync(FrameKind.KnownHashes, used, batch.AsMemory(0, used), static (destination, hashes) => hashes.Span.CopyTo(destination)).GetAwaiter().GetResult();
            used = 0;
        }
    }

    private async Task<DeviceState> ReceiveAsync(StoredDevice device, CancellationToken cancellation)
    {
        if (device is not { Name: not null, StateLength: >= 0 and <= MaxDeviceLength, DescriptionLength: >= 0 and <= MaxDeviceLength })
            throw Wrong($"a device of {device.StateLength} octets");
        return new DeviceState(
            new UnitKey(device.Name, device.Instance), device.Version, await ReceiveAsync(device.StateLength, cancellation).ConfigureAwait(false),
            await ReceiveAsync(device.DescriptionLength, cancellation).ConfigureAwait(false));
    }

    private async Task<ReadOnlyMemory<byte>> ReceiveAsync(int length, CancellationToken cancellation)
    {
        using var octets = new MemoryStream();
        while (octets.Length < length)
        {
            if (await line.ReceiveAsync(cancellation).ConfigureAwait(false) is not { Kind: FrameKind.DeviceOctets } piece
                || piece.Payload.Length > length - octets.Length || piece.Payload.IsEmpty)
            {
                throw Wrong("a device that is not whole");
            }
            octets.Write(piece.Payload.Span);
        }
        return octets.ToArray();
    }

    private GuestDescription Checked(GuestDescription description) => description is not null && !description.HasNulls() && description.Name == guest
        ? description : throw Wrong("the description of another guest");

    private SnapshotException Wrong(string what) =>
        new(ErrorCode.VerificationFailed, $"{line.Peer} sends {what} for guest '{guest}'", "use the same version of Cutpoint everywhere");
}
