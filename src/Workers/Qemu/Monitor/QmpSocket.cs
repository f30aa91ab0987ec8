using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>Opening a monitor's socket and writing to it, with an error a user can act on for every way it can fail.</summary>
internal static class QmpSocket
{
    private const int SocketLevel = 1;
    private const int PeerCredentials = 17;
    private const int MaxPath = 107;
    private static readonly TimeSpan SendRetry = TimeSpan.FromMilliseconds(2);

    private const string StartAdvice = "start QEMU with -qmp unix:PATH,server=on,wait=off and give that path";

    internal static async Task<Socket> OpenAsync(string path, TimeProvider time, CancellationToken cancellation)
    {
        if (System.Text.Encoding.UTF8.GetByteCount(path) > MaxPath)
        {
            throw Wrong(QmpFailure.NoSocket, ErrorCode.Usage, $"{path}: longer than the {MaxPath} octets a socket path may have",
                "give a shorter path, for example a relative one");
        }
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            using var limit = new CancellationTokenSource(QmpClient.GreetingDeadline, time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, cancellation);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), both.Token);
            return socket;
        }
        catch (SocketException error)
        {
            socket.Dispose();
            throw Explain(path, error);
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            socket.Dispose();
            throw InUse(path);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Writes a whole command; the descriptor goes with its first octet.</summary>
    internal static async Task SendAsync(
        Socket socket, ReadOnlyMemory<byte> octets, SafeHandle? descriptor, TimeSpan deadline, TimeProvider time,
        CancellationToken cancellation)
    {
        var started = time.GetTimestamp();
        var held = false;
        try
        {
            descriptor?.DangerousAddRef(ref held);
            while (!octets.IsEmpty)
            {
                var sent = held
                    ? Libc.Send((int)socket.Handle, octets.Span, [(int)descriptor!.DangerousGetHandle()])
                    : Libc.Send((int)socket.Handle, octets.Span, []);
                if (sent == -Libc.WouldBlock)
                {
                    // The buffer of a monitor is full only when QEMU has not read for hundreds of commands.
                    if (time.GetElapsedTime(started) > deadline) throw new TimeoutException();
                    await Task.Delay(SendRetry, time, cancellation);
                    continue;
                }
                if (sent < 0) throw new SocketException(-sent);
                octets = octets[sent..];
                if (held) descriptor!.DangerousRelease();
                held = false;
            }
        }
        finally
        {
            if (held) descriptor!.DangerousRelease();
        }
    }

    internal static int? PeerProcess(Socket socket)
    {
        Span<byte> credentials = stackalloc byte[12];
        var length = socket.GetRawSocketOption(SocketLevel, PeerCredentials, credentials);
        var process = length >= sizeof(int) ? MemoryMarshal.Read<int>(credentials) : 0;
        return process > 0 ? process : null;
    }

    internal static QmpException InUse(string path) =>
        Wrong(QmpFailure.InUse, ErrorCode.Locked, $"{path}: the monitor is in use by another client (connected, but it does not greet)",
            "close the other client (a monitor serves one at a time), or give QEMU a second -qmp socket");

    internal static QmpException NotQmp(string path, Exception? inner = null) =>
        Wrong(QmpFailure.NotQmp, ErrorCode.Incompatible, $"{path}: not a QMP socket: no QMP greeting came", StartAdvice, inner);

    private static QmpException Explain(string path, SocketException error) => error.SocketErrorCode switch
    {
        SocketError.AccessDenied => Wrong(QmpFailure.Denied, ErrorCode.NotAuthorised, $"{path}: permission denied",
            "run as the user that runs QEMU, or let this user write to the socket", error),
        // A full backlog: others wait already for the one client a monitor serves.
        SocketError.WouldBlock or SocketError.TryAgain => InUse(path),
        _ when !File.Exists(path) => Wrong(QmpFailure.NoSocket, ErrorCode.NotFound, $"{path}: no such socket", StartAdvice, error),
        SocketError.ConnectionRefused => Wrong(QmpFailure.NobodyListens, ErrorCode.NotFound, $"{path}: nobody listens there",
            "its QEMU has ended, or it is not a socket; " + StartAdvice, error),
        _ => Wrong(QmpFailure.NobodyListens, ErrorCode.Failed, $"{path}: {error.Message}", StartAdvice, error),
    };

    private static QmpException Wrong(QmpFailure failure, ErrorCode code, string message, string advice, Exception? inner = null) =>
        new(failure, code, message, advice, inner) { IsPreflight = true };
}
