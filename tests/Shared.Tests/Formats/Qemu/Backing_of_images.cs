using System.Diagnostics;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Shared.Tests.Formats.Qemu;

/// <summary>Whose headers are read: those of qemu-img, of both versions of the format, and our own.</summary>
public sealed class Backing_of_images : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cutpoint-qcow2-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("0.10", "raw")]
    [InlineData("1.1", "qcow2")]
    public void Is_read_from_the_header_QEMU_writes(string version, string format)
    {
        var (below, above) = (Path.Combine(_directory, "below ü"), Path.Combine(_directory, "above"));
        Create("-f", format, below, "1M");
        Create("-f", "qcow2", "-o", $"compat={version}", "-b", below, "-F", format, above);

        Assert.Equal(new Qcow2Backing(below, format), Read(above));
        Assert.Null(Read(below));
    }

    [Fact]
    public void Is_read_from_the_header_we_write_and_no_damaged_one_is_believed()
    {
        using var image = new MemoryStream();
        Qcow2Overlay.Write(image, 1 << 20, "/images/below", "raw");
        var whole = image.ToArray();
        Assert.Equal(new Qcow2Backing("/images/below", "raw"), Qcow2Backing.Read(new MemoryStream(whole)));

        for (var length = 0; length < 256; length++) Assert.True(Qcow2Backing.Read(new MemoryStream(whole, 0, length)) is null or { Path: "/images/below" });
        for (var at = 0; at < 160; at++)
        {
            var damaged = (byte[])whole.Clone();
            damaged[at] ^= 0xff;
            // Whatever it says of it, it says it without an error, and never more than a path may have.
            Assert.InRange(Qcow2Backing.Read(new MemoryStream(damaged))?.Path.Length ?? 0, 0, Qcow2Overlay.MaxBackingPath);
        }
    }

    private static Qcow2Backing? Read(string path)
    {
        using var file = File.OpenRead(path);
        return Qcow2Backing.Read(file);
    }

    private static void Create(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("qemu-img", ["create", "-q", .. arguments]) { RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, error);
    }
}
