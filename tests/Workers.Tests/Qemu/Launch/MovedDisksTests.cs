using System.Diagnostics;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Disks;
using Cutpoint.Workers.Qemu.Launch;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Tests.Qemu.Launch;

public sealed class MovedDisksTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("cp-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("-drive", "file=disk.img,format=raw,if=virtio,cache=none", "-drive", "file=/run/new/disk0.qcow2,format=qcow2,if=virtio,cache=none")]
    [InlineData("-drive", "if=none,driver=raw,file.filename=/home/vm/disk.img,id=d", "-drive", "if=none,file.filename=/run/new/disk0.qcow2,id=d,format=qcow2")]
    [InlineData("-drive", "file=other.iso,media=cdrom", "-drive", "file=other.iso,media=cdrom")]
    [InlineData("-hdb", "disk.img", "-drive", "index=1,media=disk,file=/run/new/disk0.qcow2,format=qcow2")]
    [InlineData("-pflash", "/home/vm/disk.img", "-drive", "if=pflash,file=/run/new/disk0.qcow2,format=qcow2")]
    [InlineData("-blockdev", "driver=raw,node-name=n,file.driver=file,file.filename=disk.img", "-blockdev", "driver=qcow2,node-name=n,file.driver=file,file.filename=/run/new/disk0.qcow2")]
    [InlineData(
        "-blockdev", """{"driver":"raw","node-name":"n","file":{"driver":"file","filename":"disk.img"}}""",
        "-blockdev", """{"driver":"qcow2","node-name":"n","file":{"driver":"file","filename":"/run/new/disk0.qcow2"}}""")]
    public void An_overlay_takes_the_place_of_the_image(string option, string recorded, string expectedOption, string expected)
    {
        var plan = Plan(["/home/vm/disk.img"], option, recorded, "-drive", "file=/home/vm/disk.img,id=needed");
        Assert.Equal([expectedOption, expected], plan.Arguments.Take(2));
        Assert.Equal("/run/new/disk0.qcow2", Assert.Single(plan.Disks).Overlay);
    }

    [Fact]
    public void A_node_above_a_file_node_reads_the_overlay_through_it()
    {
        var plan = Plan(["/home/vm/disk.img"],
            "-blockdev", "driver=file,node-name=f,filename=disk.img", "-blockdev", """{"driver":"raw","node-name":"n","file":"f","read-only":false}""");
        Assert.Equal(
            ["-blockdev", "driver=file,node-name=f,filename=/run/new/disk0.qcow2", "-blockdev", """{"driver":"qcow2","node-name":"n","file":"f","read-only":false}"""],
            plan.Arguments.Take(4));
    }

    [Fact]
    public void A_disk_that_has_overlays_since_its_start_is_found_by_the_image_below_and_images_it_stands_on_are_left_alone()
    {
        var plan = Plan(["/home/vm/disk.img.cutpoint-X", "/home/vm/disk.img", "/img/base"],
            "-blockdev", "driver=file,node-name=b,filename=/img/base", "-drive", "file=/home/vm/disk.img,format=qcow2");
        Assert.Equal(
            ["-blockdev", "driver=file,node-name=b,filename=/img/base", "-drive", "file=/run/new/disk0.qcow2,format=qcow2"], plan.Arguments.Take(4));
    }

    [Fact]
    public void A_disk_that_is_not_on_the_command_line_is_refused()
    {
        var error = Assert.Throws<SnapshotException>(() => Plan(["/home/vm/disk.img"], "-drive", "file=another.img"));
        Assert.Equal(ErrorCode.Incompatible, error.Code);
        Assert.Contains("-b /home/vm/disk.img -F raw", error.Advice, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("raw", 1 << 20)]
    [InlineData("qcow2", 5L << 40)]
    public void The_overlay_is_sound_in_QEMUs_eyes_and_shows_the_image(string format, long length)
    {
        var image = Path.Combine(_directory, "image");
        var overlay = Path.Combine(_directory, "overlay");
        Run("create", "-q", "-f", format, image, $"{length}");
        MovedDisks.MakeOverlay(Disk(image, format, length), overlay, Ledger);

        Run("check", "-q", overlay);
        Run("compare", "-q", "-f", "qcow2", "-F", format, overlay, image);
        Assert.Contains($"\"full-backing-filename\": \"{image}\"", Run("info", "--output=json", overlay), StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_was_written_to_since_the_cut_is_refused()
    {
        var image = Path.Combine(_directory, "image");
        File.WriteAllBytes(image, new byte[512]);
        var disk = Disk(image, "raw", 512) with { WrittenAt = File.GetLastWriteTimeUtc(image) };
        MovedDisks.MakeOverlay(disk, Path.Combine(_directory, "overlay"), Ledger);
        File.SetLastWriteTimeUtc(image, DateTime.UnixEpoch);

        var error = Assert.Throws<SnapshotException>(() => MovedDisks.MakeOverlay(disk, Path.Combine(_directory, "overlay"), Ledger));

        Assert.Equal(ErrorCode.VerificationFailed, error.Code);
        Assert.Contains(image, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_that_lies_on_another_host_is_refused_with_its_name()
    {
        var disk = Disk(Path.Combine(_directory, "image"), "raw", 512) with { Host = "far-away" };

        var error = Assert.Throws<SnapshotException>(() => MovedDisks.MakeOverlay(disk, Path.Combine(_directory, "overlay"), Ledger));

        Assert.Equal((ErrorCode.Incompatible, true), (error.Code, error.IsPreflight));
        Assert.Contains("far-away", error.Message, StringComparison.Ordinal);
        Assert.Contains("on that host", error.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void An_image_is_what_it_was_when_only_a_merge_below_it_has_changed_its_header()
    {
        var image = Path.Combine(_directory, "image");
        File.WriteAllBytes(image, new byte[512]);
        var disk = Disk(image, "raw", 512) with { WrittenAt = File.GetLastWriteTimeUtc(image) };
        Ledger.Write(new OverlayEntry
        {
            Id = "merged", Repository = "r", Checkpoint = "c", Socket = "/qmp", Boot = ProcessIdentity.Boot,
            Overlays =
            [
                new DiskOverlay("virtio0", "node", "raw", 512, ["/below"], "/merged", "cp-0") { Merge = PendingMerge.Begin("/below", image, isWritten: false) },
            ],
        });
        File.SetLastWriteTimeUtc(image, DateTime.UnixEpoch);

        MovedDisks.MakeOverlay(disk, Path.Combine(_directory, "overlay"), Ledger);
        File.AppendAllText(image, "by a guest");
        File.SetLastWriteTimeUtc(image, DateTime.UnixEpoch);

        Assert.Throws<SnapshotException>(() => MovedDisks.MakeOverlay(disk, Path.Combine(_directory, "overlay"), Ledger));
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(long.MaxValue)]
    public void A_disk_of_a_size_no_disk_has_is_refused(long length)
    {
        var image = Path.Combine(_directory, "image");
        File.WriteAllBytes(image, new byte[512]);
        var error = Assert.Throws<SnapshotException>(() => MovedDisks.MakeOverlay(Disk(image, "raw", length), Path.Combine(_directory, "overlay"), Ledger));
        Assert.Equal(ErrorCode.Incompatible, error.Code);
    }

    private OverlayLedger Ledger => new(Path.Combine(_directory, "notes"));

    private static DiskSnapshot Disk(string image, string format, long length) => new("virtio0", format, length, [image], image + ".overlay");

    private static QemuLaunchPlan Plan(string[] chain, params string[] arguments) => QemuCommandLine.Plan(
        new GuestDescription
        {
            Driver = "qemu", Name = "vm", Uri = "qemu:/run/vm.qmp", CommandLine = ["qemu", .. arguments],
            Properties = new Dictionary<string, string> { [QemuInspection.DirectoryProperty] = "/home/vm" },
            DiskSnapshots = [new DiskSnapshot("virtio0", "raw", 1 << 20, chain, "/home/vm/now")],
        },
        new Dictionary<string, string>(), new QemuLaunchOptions { Directory = "/run/new" });

    private static string Run(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("qemu-img", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        Assert.True(process.ExitCode == 0, $"qemu-img {string.Join(' ', arguments)}: {output}{error.Result}");
        return output;
    }
}
