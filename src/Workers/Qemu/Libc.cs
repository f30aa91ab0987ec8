using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Qemu;

/// <summary>The few Linux calls .NET has no name for. x86-64 and arm64 glibc and musl share these layouts.</summary>
internal static unsafe partial class Libc
{
    internal const int Interrupted = 4;
    internal const int NoChild = 10;
    internal const int WouldBlock = 11;
    internal const int PollIn = 1;
    internal const int PollOut = 4;
    internal const int PollError = 8;
    internal const int PollHangUp = 16;
    internal const int SendDontWait = 0x40;
    internal const int SendNoSignal = 0x4000;
    internal const int ReceiveCloseOnExec = 0x40000000;
    internal const int SignalHangUp = 1;
    internal const int SignalInterrupt = 2;
    internal const int SignalTerminate = 15;
    internal const int SignalKill = 9;
    internal const int ShutdownBoth = 2;

    private const int UnixFamily = 1;
    private const int StreamCloseOnExec = 1 | 0x80000;
    private const int SocketLevel = 1;
    private const int Rights = 1;

    /// <summary>Descriptors one message may carry; QEMU's monitor keeps as many per command.</summary>
    internal const int MaxDescriptors = 8;

    [StructLayout(LayoutKind.Sequential)]
    internal struct PollEntry
    {
        internal int Descriptor;
        internal short Events;
        internal short Returned;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Vector
    {
        internal void* Base;
        internal nuint Length;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Message
    {
        internal void* Name;
        internal uint NameLength;
        internal Vector* Vectors;
        internal nuint VectorCount;
        internal void* Control;
        internal nuint ControlLength;
        internal int Flags;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct ControlHeader
    {
        internal nuint Length;
        internal int Level;
        internal int Type;
    }

    /// <summary>Sends octets, the descriptors with the first of them. The count sent, or minus errno.</summary>
    internal static int Send(int socket, ReadOnlySpan<byte> octets, ReadOnlySpan<int> descriptors, int flags = SendDontWait)
    {
        fixed (byte* data = octets)
        {
            var control = stackalloc byte[sizeof(ControlHeader) + MaxDescriptors * sizeof(int)];
            var vector = new Vector { Base = data, Length = (nuint)octets.Length };
            var message = new Message { Vectors = &vector, VectorCount = 1 };
            if (!descriptors.IsEmpty)
            {
                var header = (ControlHeader*)control;
                header->Length = (nuint)(sizeof(ControlHeader) + descriptors.Length * sizeof(int));
                header->Level = SocketLevel;
                header->Type = Rights;
                descriptors.CopyTo(new Span<int>(control + sizeof(ControlHeader), MaxDescriptors));
                message.Control = control;
                message.ControlLength = Align(header->Length);
            }
            while (true)
            {
                var sent = SendMessage(socket, &message, flags | SendNoSignal);
                if (sent >= 0) return (int)sent;
                var error = Marshal.GetLastPInvokeError();
                if (error != Interrupted) return -error;
            }
        }
    }

    /// <summary>Receives octets and the descriptors that came with them, close-on-exec. 0 is the end; negative is minus errno.</summary>
    internal static int Receive(int socket, Span<byte> octets, Span<int> descriptors, out int descriptorCount)
    {
        descriptorCount = 0;
        fixed (byte* data = octets)
        {
            var control = stackalloc byte[sizeof(ControlHeader) + MaxDescriptors * sizeof(int)];
            var vector = new Vector { Base = data, Length = (nuint)octets.Length };
            Message message;
            nint received;
            do
            {
                message = new Message
                {
                    Vectors = &vector, VectorCount = 1, Control = control,
                    ControlLength = (nuint)(sizeof(ControlHeader) + MaxDescriptors * sizeof(int)),
                };
                received = ReceiveMessage(socket, &message, SendDontWait | ReceiveCloseOnExec);
            }
            while (received < 0 && Marshal.GetLastPInvokeError() == Interrupted);
            if (received < 0) return -Marshal.GetLastPInvokeError();
            var header = (ControlHeader*)control;
            if (message.ControlLength >= (nuint)sizeof(ControlHeader) && header->Level == SocketLevel && header->Type == Rights)
            {
                descriptorCount = Math.Min((int)(header->Length - (nuint)sizeof(ControlHeader)) / sizeof(int), descriptors.Length);
                new ReadOnlySpan<int>(control + sizeof(ControlHeader), descriptorCount).CopyTo(descriptors);
            }
            return (int)received;
        }
    }

    /// <summary>A connected pair of Unix stream sockets, close-on-exec. 0, or errno.</summary>
    internal static int SocketPair(out int first, out int second)
    {
        var pair = stackalloc int[2];
        var result = SocketPair(UnixFamily, StreamCloseOnExec, 0, pair);
        (first, second) = (pair[0], pair[1]);
        return result == 0 ? 0 : Marshal.GetLastPInvokeError();
    }

    /// <summary>The inode behind a path, links followed, or null when there is none to be seen.</summary>
    internal static ulong? Inode(string path)
    {
        // struct statx is 256 octets on every architecture, with the inode at octet 32.
        const int CurrentDirectory = -100;
        const uint WantInode = 0x100;
        var status = stackalloc byte[256];
        return StatX(CurrentDirectory, path, 0, WantInode, status) == 0 ? *(ulong*)(status + 32) : null;
    }

    /// <summary>The inode of an open file, whatever has become of its name.</summary>
    internal static ulong Inode(SafeHandle file)
    {
        const int EmptyPath = 0x1000;
        const uint WantInode = 0x100;
        var status = stackalloc byte[256];
        return StatX(file, "", EmptyPath, WantInode, status) == 0
            ? *(ulong*)(status + 32) : throw new IOException($"the inode of an open file is not told (error {Marshal.GetLastPInvokeError()})");
    }

    /// <summary>Octets a file takes where it lies, or null when the file system does not say.</summary>
    internal static long? Allocated(SafeHandle file)
    {
        // The blocks, of 512 octets on every file system, are at octet 48 of struct statx.
        const int EmptyPath = 0x1000;
        const uint WantBlocks = 0x400;
        const int BlockLength = 512;
        var status = stackalloc byte[256];
        return StatX(file, "", EmptyPath, WantBlocks, status) == 0 && (*(uint*)status & WantBlocks) != 0 ? *(long*)(status + 48) * BlockLength : null;
    }

    internal static bool IsSocket(int descriptor)
    {
        const int SocketType = 3;
        var type = 0;
        var length = (uint)sizeof(int);
        return GetSocketOption(descriptor, SocketLevel, SocketType, &type, &length) == 0;
    }

    private static nuint Align(nuint length) => (length + (nuint)sizeof(nuint) - 1) & ~((nuint)sizeof(nuint) - 1);

    [LibraryImport("libc", EntryPoint = "sendmsg", SetLastError = true)]
    private static partial nint SendMessage(int socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "recvmsg", SetLastError = true)]
    private static partial nint ReceiveMessage(int socket, Message* message, int flags);

    [LibraryImport("libc", EntryPoint = "socketpair", SetLastError = true)]
    private static partial int SocketPair(int family, int type, int protocol, int* pair);

    [LibraryImport("libc", EntryPoint = "getsockopt", SetLastError = true)]
    private static partial int GetSocketOption(int socket, int level, int option, void* value, uint* length);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int directory, string path, int flags, uint mask, byte* status);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(SafeHandle file, string path, int flags, uint mask, byte* status);

    [LibraryImport("libc", EntryPoint = "poll", SetLastError = true)]
    internal static partial int Poll(PollEntry* entries, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    internal static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    internal static partial int Shutdown(int socket, int how);

    [LibraryImport("libc", EntryPoint = "signal", SetLastError = true)]
    internal static partial nint Signal(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    internal static partial int Kill(int process, int signal);

    [LibraryImport("libc", EntryPoint = "waitpid", SetLastError = true)]
    internal static partial int WaitProcess(int process, out int status, int options);
}
