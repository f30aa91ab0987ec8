using System.Runtime.InteropServices;
using Cutpoint.Formats.Qemu;
using Cutpoint.Guests;
using Microsoft.Win32.SafeHandles;

namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// The small stream a guest with shared RAM writes while it stands still: devices, and the blocks that are not shared. It goes into a memfd, so that QEMU
/// waits for nobody, and is taken apart when the guest runs again. A pc's is 0.4 MB; a display adapter adds its memory.
/// </summary>
internal sealed class DeviceStream : IDisposable
{
    private readonly SafeFileHandle _file;

    public DeviceStream()
    {
        var descriptor = Libc.CreateMemoryFile("cutpoint-devices", Libc.MemoryFileCloseOnExec);
        if (descriptor < 0)
            throw new SnapshotException(
                ErrorCode.Failed, $"no memory file for the device state: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
        _file = new SafeFileHandle(descriptor, ownsHandle: true);
    }

    /// <summary>The descriptor QEMU writes to.</summary>
    public SafeHandle Descriptor => _file;

    /// <summary>Takes the stream apart: pages go to the sinks, everything else is returned.</summary>
    /// <param name="guest">Whose stream it is.</param>
    /// <param name="sinks">Where pages go.</param>
    /// <param name="pass">The pass they belong to.</param>
    /// <param name="cancellation">Ends the reading.</param>
    public async Task<(QemuConfiguration Configuration, QemuDevicePart Devices)> ReadAsync(
        GuestDescription guest, ICaptureSinks sinks, uint pass, CancellationToken cancellation)
    {
        using var pages = new StreamPages(guest.Blocks, sinks, pass);
        // The stream owns a descriptor of its own; QEMU's position in the file is shared with ours and stands at the end.
        await using var input = new FileStream(_file, FileAccess.Read, bufferSize: 0) { Position = 0 };
        var devices = await QemuStreamParser.ParseAsync(input, pages, null, cancellation);
        await pages.EmitAllAsync(cancellation);
        return (pages.Configuration!, devices);
    }

    public void Dispose() => _file.Dispose();
}
