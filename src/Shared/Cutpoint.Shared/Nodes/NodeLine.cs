using System.Buffers;
using System.Buffers.Binary;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Cutpoint.Jobs;
using Cutpoint.Repository;

namespace Cutpoint.Nodes;

/// <summary>
/// An authenticated, encrypted connection of two nodes that carries frames.
/// <code>
/// coordinator                                    worker
///   TLS 1.3 ─────────────────────────────────────▶   certificate of this start of the worker, signed by nobody
///   nonce C ─────────────────────────────────────▶
///   ◀───────── nonce S, HMAC(secret, "worker",      C, S, SHA-256 of the certificate)
///   HMAC(secret, "coordinator", C, S, SHA-256 of the certificate it has seen) ───▶
///   greeting ────────────────────────────────────▶
///   ◀───────────────────────────────── welcome, or why not
/// frame: length of what follows (4 octets, most significant first), kind (1 octet), payload
/// </code>
/// Who stands between the two shows a certificate of its own: then the proofs are of other octets and hold at neither end. One may receive while another
/// sends; those who send wait for each other. A send is never cancelled, since half a frame would end the line: <see cref="Dispose"/> ends one that hangs.
/// </summary>
public sealed class NodeLine : IDisposable
{
    /// <summary>No frame is longer: the longest carries a section.</summary>
    public const int MaxFrameLength = SectionHead.MaxSectionLength + 4096;

    /// <summary>Time for everything up to the welcome.</summary>
    public static readonly TimeSpan GreetingTime = TimeSpan.FromSeconds(10);

    private const int NonceLength = 32;
    private const int HeaderLength = 5;
    private const string WorkerRole = "cutpoint worker 1", CoordinatorRole = "cutpoint coordinator 1";

    private readonly Socket _socket;
    private readonly SslStream _stream;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _sending = new(1, 1);
    private byte[] _sent = new byte[4096];
    private byte[] _received = new byte[4096];
    private long _lastReceived;

    private NodeLine(Socket socket, string peer, TimeProvider time)
    {
        _socket = socket;
        Peer = peer;
        _time = time;
        _lastReceived = time.GetTimestamp();
#pragma warning disable CA5359 // Whatever certificate a worker shows is taken, and then proved by the secret; see above.
        _stream = new SslStream(new NetworkStream(socket, ownsSocket: true), leaveInnerStreamOpen: false, static (_, _, _, _) => true);
#pragma warning restore CA5359
    }

    /// <summary>The node at the other end, for people.</summary>
    public string Peer { get; }

    /// <summary>Connects to a worker and says what for.</summary>
    /// <exception cref="SnapshotException">It cannot be reached, has another secret (<see cref="ErrorCode.NotAuthorised"/>), or refuses.</exception>
    public static async Task<NodeLine> ConnectAsync(
        NodeAddress address, NodeSecret secret, NodeGreeting greeting, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(address);
        ArgumentNullException.ThrowIfNull(secret);
        ArgumentNullException.ThrowIfNull(time);
        using var patience = new CancellationTokenSource(GreetingTime, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(cancellation, patience.Token);
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        var peer = $"worker {address}";
        try
        {
            await socket.ConnectAsync(address.Host, address.Port, both.Token).ConfigureAwait(false);
            var line = new NodeLine(socket, peer, time);
            await line._stream.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = "cutpoint",
                    EnabledSslProtocols = SslProtocols.Tls13,
                    CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
                },
                both.Token).ConfigureAwait(false);
            await line.ProveAsync(secret, both.Token).ConfigureAwait(false);
            await line.SendAsync(FrameKind.Greeting, greeting, NodeJson.Default.NodeGreeting).ConfigureAwait(false);
            var answer = await line.ReceiveAsync(both.Token).ConfigureAwait(false)
                ?? throw new SnapshotException(ErrorCode.NotAuthorised, $"{line.Peer} does not accept the secret", "give both nodes the same secret file");
            if (answer.Kind != FrameKind.Welcome) throw line.Unexpected(answer);
            return line;
        }
        catch (Exception error)
        {
            socket.Dispose();
            const string Advice = "check the address, and that 'cutpoint node --roles worker' runs there";
            if (patience.IsCancellationRequested && !cancellation.IsCancellationRequested) throw Lost(peer, $"no answer within {GreetingTime.TotalSeconds:0} s", Advice, error);
            if (error is AuthenticationException) throw Lost(peer, "it does not speak TLS 1.3", Advice, error);
            if (error is IOException or SocketException) throw Lost(peer, error.Message, Advice, error);
            throw;
        }
    }

    /// <summary>Lets a coordinator prove itself on a connection it has made, and reads what the connection is for.</summary>
    /// <exception cref="SnapshotException">It did not.</exception>
    public static async Task<(NodeLine Line, NodeGreeting Greeting)> AcceptAsync(
        Socket socket, NodeSecret secret, X509Certificate2 certificate, TimeProvider time, CancellationToken cancellation)
    {
        ArgumentNullException.ThrowIfNull(socket);
        ArgumentNullException.ThrowIfNull(secret);
        ArgumentNullException.ThrowIfNull(certificate);
        ArgumentNullException.ThrowIfNull(time);
        socket.NoDelay = true;
        var line = new NodeLine(socket, $"coordinator {socket.RemoteEndPoint}", time);
        try
        {
            await line._stream.AuthenticateAsServerAsync(
                new SslServerAuthenticationOptions { ServerCertificate = certificate, EnabledSslProtocols = SslProtocols.Tls13 }, cancellation).ConfigureAwait(false);
            await line.CheckAsync(secret, certificate, cancellation).ConfigureAwait(false);
            var frame = await line.ReceiveAsync(cancellation).ConfigureAwait(false);
            if (frame is not { Kind: FrameKind.Greeting } first) throw line.Lost("it does not say what it wants", null);
            var greeting = line.Read(first, NodeJson.Default.NodeGreeting);
            return greeting is { Version: NodeGreeting.ProtocolVersion, JobId: not null }
                ? (line, greeting)
                : throw new SnapshotException(ErrorCode.Incompatible, $"the protocol has version {greeting.Version}, known is {NodeGreeting.ProtocolVersion}", "use the same version of Cutpoint everywhere");
        }
        catch (Exception error)
        {
            line.Dispose();
            throw error is IOException or SocketException or AuthenticationException ? line.Lost(error.Message, null, error) : error;
        }
    }

    /// <summary>Sends a frame with a value as JSON.</summary>
    /// <exception cref="SnapshotException">The line has ended.</exception>
    public Task SendAsync<T>(FrameKind kind, T value, JsonTypeInfo<T> type)
    {
        var octets = JsonSerializer.SerializeToUtf8Bytes(value, type);
        return SendAsync(kind, octets.Length, octets, static (destination, octets) => octets.CopyTo(destination));
    }

    /// <summary>Sends a frame without octets.</summary>
    public Task SendAsync(FrameKind kind) => SendAsync(kind, 0, 0, static (_, _) => { });

    /// <summary>Sends a frame whose octets are written straight into the line's buffer.</summary>
    /// <exception cref="SnapshotException">The line has ended.</exception>
    public async Task SendAsync<TState>(FrameKind kind, int length, TState state, SpanAction<byte, TState> write)
    {
        ArgumentNullException.ThrowIfNull(write);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, MaxFrameLength);
        await _sending.WaitAsync().ConfigureAwait(false);
        try
        {
            var whole = HeaderLength + length;
            if (_sent.Length < whole) _sent = new byte[Math.Min(MaxFrameLength + HeaderLength, Math.Max(whole, 2 * _sent.Length))];
            BinaryPrimitives.WriteInt32BigEndian(_sent, length + 1);
            _sent[HeaderLength - 1] = (byte)kind;
            write(_sent.AsSpan(HeaderLength, length), state);
            await _stream.WriteAsync(_sent.AsMemory(0, whole)).ConfigureAwait(false);
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException or InvalidOperationException)
        {
            throw Lost(error is ObjectDisposedException ? "the line was closed" : error.Message, null, error);
        }
        finally
        {
            _sending.Release();
        }
    }

    /// <summary>The next frame, or null when the other end has closed the line.</summary>
    /// <exception cref="SnapshotException">The line is broken, or says what it must not.</exception>
    public async ValueTask<NodeFrame?> ReceiveAsync(CancellationToken cancellation)
    {
        try
        {
            var read = await _stream.ReadAtLeastAsync(_received.AsMemory(0, HeaderLength), HeaderLength, throwOnEndOfStream: false, cancellation).ConfigureAwait(false);
            if (read == 0) return null;
            if (read < HeaderLength) throw Lost("it ends in the middle of a frame", null);
            var length = BinaryPrimitives.ReadInt32BigEndian(_received) - 1;
            if (length is < 0 or > MaxFrameLength) throw Lost($"it sends a frame of {length} octets", "use the same version of Cutpoint everywhere");
            var kind = (FrameKind)_received[HeaderLength - 1];
            if (_received.Length < length) _received = new byte[Math.Min(MaxFrameLength, Math.Max(length, 2 * _received.Length))];
            await _stream.ReadExactlyAsync(_received.AsMemory(0, length), cancellation).ConfigureAwait(false);
            return new NodeFrame(kind, _received.AsMemory(0, length));
        }
        catch (Exception error) when (error is IOException or ObjectDisposedException)
        {
            throw Lost(error is ObjectDisposedException ? "the line was closed" : error.Message, null, error);
        }
    }

    /// <summary>The next frame of an end that has to give a sign of life within its lease.</summary>
    /// <param name="lease">The lease.</param>
    /// <param name="cancellation">Ends the wait, and the line.</param>
    /// <exception cref="SnapshotException">The line is broken, or the lease is over (<see cref="ErrorCode.Locked"/>).</exception>
    public async ValueTask<NodeFrame?> ReceiveAsync(TimeSpan lease, CancellationToken cancellation)
    {
        using var over = new CancellationTokenSource(lease, _time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(over.Token, cancellation);
        NodeFrame? frame;
        try
        {
            frame = await ReceiveAsync(either.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw Silent(lease);
        }
        // Who was stopped itself finds frames that look fresh and are not: they were sent to somebody who was given up meanwhile.
        if (_time.GetElapsedTime(_lastReceived) > lease) throw Silent(lease);
        _lastReceived = _time.GetTimestamp();
        return frame;
    }

    /// <summary>The value of a frame.</summary>
    /// <exception cref="SnapshotException">It has none.</exception>
    public T Read<T>(NodeFrame frame, JsonTypeInfo<T> type)
    {
        try
        {
            return JsonSerializer.Deserialize(frame.Payload.Span, type) ?? throw new JsonException("null");
        }
        catch (Exception error) when (error is JsonException or NotSupportedException)
        {
            throw new SnapshotException(ErrorCode.Incompatible, $"{Peer} sends {frame.Kind} that cannot be read: {error.Message}", "use the same version of Cutpoint everywhere", error);
        }
    }

    /// <summary>What a frame tells of that nobody waits for here.</summary>
    public SnapshotException Unexpected(NodeFrame frame) => frame.Kind == FrameKind.Failed
        ? Read(frame, NodeJson.Default.JobError).ToException()
        : new SnapshotException(ErrorCode.Incompatible, $"{Peer} sends {frame.Kind} where it must not", "use the same version of Cutpoint everywhere");

    /// <summary>Tells the other end why this one ends the line; when that does not get through, the end of the line has to do.</summary>
    public async Task FailAsync(Exception error)
    {
        try
        {
            await SendAsync(FrameKind.Failed, JobError.From(error), NodeJson.Default.JobError).ConfigureAwait(false);
        }
        catch (SnapshotException)
        {
        }
    }

    /// <summary>Ends the line at once, whatever is under way on it.</summary>
    public void Dispose()
    {
        // The socket first: an orderly end of TLS would wait for an end that does not read.
        _socket.Dispose();
        _stream.Dispose();
    }

    private async Task ProveAsync(NodeSecret secret, CancellationToken cancellation)
    {
        var connection = new byte[(2 * NonceLength) + SHA256.HashSizeInBytes];
        RandomNumberGenerator.Fill(connection.AsSpan(0, NonceLength));
        SHA256.HashData(_stream.RemoteCertificate!.GetRawCertData(), connection.AsSpan(2 * NonceLength));
        await _stream.WriteAsync(connection.AsMemory(0, NonceLength), cancellation).ConfigureAwait(false);
        var answer = new byte[NonceLength + SHA256.HashSizeInBytes];
        await _stream.ReadExactlyAsync(answer, cancellation).ConfigureAwait(false);
        answer.AsSpan(0, NonceLength).CopyTo(connection.AsSpan(NonceLength));
        if (!CryptographicOperations.FixedTimeEquals(answer.AsSpan(NonceLength), secret.Prove(WorkerRole, connection)))
            throw new SnapshotException(ErrorCode.NotAuthorised, $"{Peer} does not know the secret", "give both nodes the same secret file");
        await _stream.WriteAsync(secret.Prove(CoordinatorRole, connection), cancellation).ConfigureAwait(false);
    }

    private async Task CheckAsync(NodeSecret secret, X509Certificate2 certificate, CancellationToken cancellation)
    {
        var connection = new byte[(2 * NonceLength) + SHA256.HashSizeInBytes];
        await _stream.ReadExactlyAsync(connection.AsMemory(0, NonceLength), cancellation).ConfigureAwait(false);
        RandomNumberGenerator.Fill(connection.AsSpan(NonceLength, NonceLength));
        SHA256.HashData(certificate.RawData, connection.AsSpan(2 * NonceLength));
        await _stream.WriteAsync(
            (byte[])[.. connection.AsSpan(NonceLength, NonceLength), .. secret.Prove(WorkerRole, connection)], cancellation).ConfigureAwait(false);
        var proof = new byte[SHA256.HashSizeInBytes];
        await _stream.ReadExactlyAsync(proof, cancellation).ConfigureAwait(false);
        if (!CryptographicOperations.FixedTimeEquals(proof, secret.Prove(CoordinatorRole, connection)))
            throw new SnapshotException(ErrorCode.NotAuthorised, $"{Peer} does not know the secret", "give both nodes the same secret file");
    }

    private SnapshotException Silent(TimeSpan lease) =>
        new(ErrorCode.Locked, $"{Peer} was not heard of for {lease.TotalSeconds:0} s: its lease is over", "look whether it hangs, and at the network between the nodes");

    private SnapshotException Lost(string why, string? advice, Exception? error = null) => Lost(Peer, why, advice, error);

    private static SnapshotException Lost(string peer, string why, string? advice, Exception? error) =>
        new(ErrorCode.Locked, $"{peer} is lost: {why}", advice ?? "look at what it says, and at the network between the nodes", error) { IsTransient = true };
}
