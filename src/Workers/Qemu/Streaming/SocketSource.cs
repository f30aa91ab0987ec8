using System.Net.Sockets;

namespace Cutpoint.Workers.Qemu.Streaming;

/// <summary>
/// Our end of the socket QEMU writes its stream into. Not reading it is the back-pressure that reaches QEMU's migration thread; the guest runs on meanwhile.
/// </summary>
internal sealed class SocketSource(Socket socket) : IStreamSource
{
    /// <inheritdoc/>
    public Task<int> ReadAsync(Memory<byte> buffer) => socket.ReceiveAsync(buffer, SocketFlags.None).AsTask();

    /// <summary>
    /// QEMU's closing of its end is not seen here, since the guard holds that end too. What was sent is still received after this; then comes the end.
    /// </summary>
    public void Finish() => socket.Shutdown(SocketShutdown.Receive);

    public void Dispose() => socket.Dispose();
}
