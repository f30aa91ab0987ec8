using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Nodes;

/// <summary>
/// A worker's end of the store of one guest: pages are compared, compressed and framed here, and appended by the coordinator, which alone sees the
/// repository. What is sent is not answered one by one: an error of the coordinator's comes back by itself and fails the next call, and the seal is answered
/// when everything before it has arrived. Back-pressure is that of the connection.
/// </summary>
public sealed class RemoteGuestStore : IGuestStore, IDisposable
{
    private readonly NodeLine _line;
    private readonly SectionEncoder _encoder;
    private readonly TaskCompletionSource<KnownPages> _known = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _sealed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _failed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private PageHashHandler? _handler;

    private RemoteGuestStore(NodeLine line, StoreTerms terms)
    {
        _line = line;
        _encoder = new SectionEncoder(Codec.Parse(terms.Codec), identity: SectionIdentity.Of(terms.IdentityKey));
        Hasher = new PageHasher(terms.HashSecret);
        Base = terms.Base;
        // Whether anybody waits for them or not.
        foreach (var task in new Task[] { _known.Task, _sealed.Task, _failed.Task }) _ = task.ContinueWith(static one => one.Exception, TaskScheduler.Default);
        _ = ReceiveAsync();
    }

    /// <inheritdoc/>
    public PageHasher Hasher { get; }

    /// <inheritdoc/>
    public BaseReport? Base { get; }

    /// <summary>Asks for a guest's place in the checkpoint.</summary>
    /// <param name="line">The line for this guest alone; not owned.</param>
    /// <param name="guest">The guest.</param>
    /// <param name="cancellation">Ends the call, and the line.</param>
    /// <exception cref="SnapshotException">There is none, or the line has ended.</exception>
    public static async ValueTask<RemoteGuestStore> OpenAsync(NodeLine line, GuestDescription guest, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(line);
        await line.SendAsync(FrameKind.OpenStore, guest, NodeJson.Default.GuestDescription).ConfigureAwait(false);
        var answer = await line.ReceiveAsync(cancellation).ConfigureAwait(false) ?? throw Ended(line);
        if (answer.Kind != FrameKind.StoreOpened) throw line.Unexpected(answer);
        var terms = line.Read(answer, NodeJson.Default.StoreTerms);
        return terms.HashSecret?.Length == PageHasher.SecretLength ? new RemoteGuestStore(line, terms) : throw line.Unexpected(answer);
    }

    /// <inheritdoc/>
    public async ValueTask<KnownPages> ReadKnownPagesAsync(PageHashHandler handler, CancellationToken cancellation)
    {
        _handler = handler;
        await _line.SendAsync(FrameKind.ReadKnown).ConfigureAwait(false);
        return await _known.Task.WaitAsync(cancellation).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    public EncodedSection Encode(PageChunk chunk) => _encoder.Encode(chunk);

    /// <inheritdoc/>
    public async ValueTask AppendAsync(EncodedSection section, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(section);
        using (section)
        {
            cancellation.ThrowIfCancellationRequested();
            await SendAsync(FrameKind.Section, StoreFrames.LengthOf(section), section, StoreFrames.Write).ConfigureAwait(false);
        }
    }

    /// <inheritdoc/>
    public async ValueTask AppendAsync(DeviceState device, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(device);
        await _line.SendAsync(
            FrameKind.Device, new StoredDevice(device.Unit.Name, device.Unit.Instance, device.Version, device.State.Length, device.Description.Length),
            NodeJson.Default.StoredDevice).ConfigureAwait(false);
        foreach (var octets in new[] { device.State, device.Description })
        {
            for (var start = 0; start < octets.Length; start += Paging.SectionSize)
            {
                cancellation.ThrowIfCancellationRequested();
                var piece = octets.Slice(start, Math.Min(Paging.SectionSize, octets.Length - start));
                await SendAsync(FrameKind.DeviceOctets, piece.Length, piece, static (destination, piece) => piece.Span.CopyTo(destination)).ConfigureAwait(false);
            }
        }
    }

    /// <inheritdoc/>
    public async ValueTask SealAsync(GuestDescription description, GuestRecord record, CancellationToken cancellation)
    {
        await _line.SendAsync(FrameKind.Seal, new SealedGuest(description, record), NodeJson.Default.SealedGuest).ConfigureAwait(false);
        await _sealed.Task.WaitAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>Frees the buffers; the line ends by itself.</summary>
    public void Dispose() => _encoder.Dispose();

    private async Task SendAsync<TState>(FrameKind kind, int length, TState state, System.Buffers.SpanAction<byte, TState> write)
    {
        if (_failed.Task.IsCompleted) await _failed.Task.ConfigureAwait(false);
        try
        {
            await _line.SendAsync(kind, length, state, write).ConfigureAwait(false);
        }
        catch (SnapshotException) when (_failed.Task.IsCompleted)
        {
            // The reason is worth more than the end of the line that came of it.
            await _failed.Task.ConfigureAwait(false);
        }
    }

    private async Task ReceiveAsync()
    {
        try
        {
            while (true)
            {
                var frame = await _line.ReceiveAsync(CancellationToken.None).ConfigureAwait(false) ?? throw Ended(_line);
                switch (frame.Kind)
                {
                    case FrameKind.KnownHashes when _handler is { } handler: StoreFrames.Read(frame.Payload.Span, handler); break;
                    case FrameKind.Known: _known.TrySetResult(_line.Read(frame, NodeJson.Default.KnownPages)); break;
                    case FrameKind.Sealed: _sealed.TrySetResult(); break;
                    default: throw _line.Unexpected(frame);
                }
            }
        }
        catch (Exception error)
        {
            _failed.TrySetException(error);
            _known.TrySetException(error);
            _sealed.TrySetException(error);
        }
    }

    private static SnapshotException Ended(NodeLine line) =>
        new(ErrorCode.Failed, $"{line.Peer} has closed the store of the guest", "look at what the coordinator says") { IsTransient = true };
}
