using System.ComponentModel;
using System.Net.Sockets;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>Two connected Unix stream sockets, close-on-exec: one end stays here, the other is passed to a guest or a child.</summary>
public static class UnixSocketPair
{
    /// <summary>Creates a pair. The caller owns both.</summary>
    public static (Socket Ours, SafeSocketHandle Theirs) Create()
    {
        var error = Libc.SocketPair(out var first, out var second);
        if (error != 0) throw new Win32Exception(error);
        return (new Socket(new SafeSocketHandle(first, ownsHandle: true)), new SafeSocketHandle(second, ownsHandle: true));
    }
}
