using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Cutpoint.TestGuests;

/// <summary>An image the test guest writes numbered blocks to, looked at from outside.</summary>
/// <param name="path">The image.</param>
/// <param name="format">Its format.</param>
public sealed class NumberedDisk(string path, string format)
{
    private const int BlockLength = 512;

    /// <summary>The image.</summary>
    public string Path { get; } = path;

    /// <summary>What -drive takes to attach it.</summary>
    public string Drive => $"file={Path},format={format}";

    /// <summary>Makes an image of 16 MiB; a qcow2 one stands on another.</summary>
    public static async Task<NumberedDisk> CreateAsync(string directory, string format, CancellationToken cancellation)
    {
        Directory.CreateDirectory(directory);
        var path = System.IO.Path.Combine(directory, "disk." + format);
        var below = System.IO.Path.Combine(directory, "below.img");
        await QemuImageAsync(cancellation, "create", "-q", "-f", "raw", format == "raw" ? path : below, "16M");
        if (format != "raw") await QemuImageAsync(cancellation, "create", "-q", "-f", format, "-b", below, "-F", "raw", path);
        return new NumberedDisk(path, format);
    }

    /// <summary>
    /// The number of the last block. All from the first to it must be there, and none after it; a guest that writes meanwhile may be ahead.
    /// </summary>
    /// <exception cref="InvalidDataException">One is missing, or is not what it should be.</exception>
    public async Task<long> LastBlockAsync(CancellationToken cancellation)
    {
        var copy = Path + ".copy";
        await QemuImageAsync(cancellation, "convert", "-U", "-f", format, "-O", "raw", Path, copy);
        var octets = await File.ReadAllBytesAsync(copy, cancellation);
        File.Delete(copy);
        var last = 0L;
        for (var number = 1; (number + 1) * BlockLength <= octets.Length; number++)
        {
            var text = Encoding.ASCII.GetString(octets, number * BlockLength, BlockLength).TrimEnd('\0', '\n');
            if (text.Length == 0) continue;
            if (text != string.Create(CultureInfo.InvariantCulture, $"BLOCK {number}") || last != number - 1)
                throw new InvalidDataException($"{Path}: block {number} is '{text}', the last one before it {last}");
            last = number;
        }
        return last;
    }

    /// <summary>The files a running guest's first disk reads through, from the top.</summary>
    public static async Task<int> DepthAsync(Guest guest, CancellationToken cancellation)
    {
        var disks = await guest.ExecuteAsync("query-block", null, cancellation);
        return (int)disks!.AsArray().First(disk => disk!["inserted"] is not null)!["inserted"]!["backing_file_depth"]! + 1;
    }

    /// <summary>Overlays that lie beside the image.</summary>
    public IReadOnlyList<string> Overlays() => Directory.GetFiles(System.IO.Path.GetDirectoryName(Path)!, System.IO.Path.GetFileName(Path) + ".cutpoint-*");

    private static async Task QemuImageAsync(CancellationToken cancellation, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("qemu-img", arguments) { RedirectStandardError = true })!;
        var error = await process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        if (process.ExitCode != 0) throw new InvalidOperationException($"qemu-img {string.Join(' ', arguments)}: {error.Trim()}");
    }
}
