using System.Diagnostics;

namespace Cutpoint.TestGuests;

/// <summary>The kernel and initramfs of the test guest, made on the spot, and the executable under test.</summary>
public static class GuestKit
{
    /// <summary>The directory of Pipeline.sln.</summary>
    public static string Root { get; } = FindRoot();

    private static string Directory { get; } = Path.Combine(Root, "artifacts", "guest");

    /// <summary>Debian's cloud kernel.</summary>
    public static string Kernel { get; } = Path.Combine(Directory, "vmlinuz");

    /// <summary>The busybox initramfs with the self-checking program.</summary>
    public static string InitialRamDisk { get; } = Path.Combine(Directory, "initrd.gz");

    /// <summary>The published executable; the build sets CUTPOINT_BIN.</summary>
    public static string Executable { get; } =
        Environment.GetEnvironmentVariable("CUTPOINT_BIN") ?? Path.Combine(Root, "artifacts", "bin", "cutpoint");

    /// <summary>Makes the guest unless it is there.</summary>
    public static async Task EnsureAsync(CancellationToken cancellation)
    {
        var start = new ProcessStartInfo(Path.Combine(Root, "tests", "Guests", "make-guest.sh"), [Directory]) { RedirectStandardError = true };
        using var process = Process.Start(start)!;
        var error = await process.StandardError.ReadToEndAsync(cancellation);
        await process.WaitForExitAsync(cancellation);
        if (process.ExitCode != 0) throw new InvalidOperationException($"make-guest.sh: {error.Trim()}");
    }

    private static string FindRoot()
    {
        for (var at = new DirectoryInfo(AppContext.BaseDirectory); at is not null; at = at.Parent)
            if (File.Exists(Path.Combine(at.FullName, "Pipeline.sln"))) return at.FullName;
        throw new InvalidOperationException("run from inside the project's tree");
    }
}
