using System.Diagnostics;
using Cutpoint.TestGuests;

namespace Cutpoint.Benchmarks.Guests;

/// <summary>
/// A guest whose memory is half full of what real memory is full of: the beginning of a tar of /usr/lib, read by the guest from a virtio disk. It idles
/// while it is measured, unless it is told to work. Its RAM is a file in shared memory, so that no disk but the output's is written.
/// </summary>
internal sealed class FilledGuest : IAsyncDisposable
{
    private readonly string _directory;

    private FilledGuest(Guest guest, string directory)
    {
        Guest = guest;
        _directory = directory;
    }

    /// <summary>The guest.</summary>
    public Guest Guest { get; }

    /// <summary>Boots one and waits until it is full and idle.</summary>
    /// <param name="memoryMiB">Its memory; 8 KiB more keep QEMU before 9.0 from losing writes in a live migration.</param>
    /// <param name="work">A directory for the disk image, which is kept for the next guest.</param>
    /// <param name="cancellation">Ends the attempt.</param>
    /// <param name="arenaMiB">The memory it works on.</param>
    /// <param name="pagesPerSecond">Pages of it that are rewritten each second.</param>
    public static async Task<FilledGuest> BootAsync(
        int memoryMiB, string work, CancellationToken cancellation, int arenaMiB = 1, int pagesPerSecond = 0)
    {
        var directory = Directory.CreateDirectory($"/dev/shm/cutpoint-bench-{Guid.NewGuid():n}").FullName;
        try
        {
            var options = new GuestOptions
            {
                RamKiB = (memoryMiB * 1024L) + 8, ArenaMiB = arenaMiB, PagesPerSecond = pagesPerSecond, FillMiB = memoryMiB / 2,
                Disk = await MakeDiskAsync(memoryMiB / 2, work, cancellation),
            };
            var guest = await Guest.StartAsync(options, directory, cancellation);
            try
            {
                await guest.Serial.WaitForCountsAsync(5, cancellation);
                var filled = $"FILLED mib={options.FillMiB}";
                return guest.Serial.Lines.Contains(filled)
                    ? new FilledGuest(guest, directory)
                    : throw new InvalidOperationException($"the guest did not say '{filled}': {string.Join(" | ", guest.Serial.Lines)}");
            }
            catch
            {
                await guest.DisposeAsync();
                throw;
            }
        }
        catch
        {
            Directory.Delete(directory, recursive: true);
            throw;
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Guest.DisposeAsync();
        Directory.Delete(_directory, recursive: true);
    }

    private static async Task<string> MakeDiskAsync(int sizeMiB, string work, CancellationToken cancellation)
    {
        var disk = Path.Combine(work, $"usr-lib-{sizeMiB}.tar");
        if (File.Exists(disk)) return disk;
        // A library tree smaller than the guest's half is read again from its beginning.
        var script = $"while tar -C / -c --sort=name usr/lib; do :; done 2>/dev/null | head -c {sizeMiB}M > {disk}.new && mv {disk}.new {disk}";
        using var shell = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script]))!;
        await shell.WaitForExitAsync(cancellation);
        return shell.ExitCode == 0 ? disk : throw new InvalidOperationException($"cannot make {disk}");
    }
}
