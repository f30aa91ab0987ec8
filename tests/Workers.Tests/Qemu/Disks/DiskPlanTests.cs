using System.Text.Json;
using Cutpoint.Guests;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Workers.Tests.Qemu.Disks;

/// <summary>Answers are those of QEMU 7.2 to query-block, without the members nobody reads.</summary>
public sealed class DiskPlanTests
{
    private const string Raw = """{"virtual-size":16777216,"filename":"b.raw","format":"raw"}""";

    private static readonly GuestDescription Guest = new() { Driver = "qemu", Name = "vm", Uri = "qemu:/run/vm.qmp" };

    [Fact]
    public void Writable_disks_are_frozen_and_read_only_media_are_not()
    {
        var devices = Parse(
            Device("virtio0", "#block176", "qcow2", "d.qcow2", """{"virtual-size":1024,"filename":"d.qcow2","backing-image":{"filename":"/img/a.qcow2"}}"""),
            Device("ide0-cd0", "#block797", "raw", "c.iso", """{"virtual-size":1048576,"filename":"c.iso"}""", isReadOnly: true),
            """{"device":"ide1-cd0","removable":true,"type":"unknown"}""");

        var disk = Assert.Single(DiskPlan.Choose(Guest, devices, _ => true));

        Assert.Equal(("virtio0", "#block176", "qcow2", 1024), (disk.Name, disk.Node, disk.Format, disk.Octets));
        Assert.Equal(["/home/vm/d.qcow2", "/img/a.qcow2"], disk.Files);
        Assert.Equal(2, devices.Count);
    }

    [Fact]
    public void A_disk_above_overlays_is_known_by_the_names_QEMU_gives_them()
    {
        var disk = Assert.Single(Parse(Device("", "cp-o1", "qcow2", "json:{}", Above("/home/vm/b.raw.ov", Above("/home/vm/b.raw", null)), qdev: "/machine/peripheral/x")));

        Assert.Equal(["/home/vm/b.raw.ov", "/home/vm/b.raw"], disk.Files);
        Assert.Equal("/machine/peripheral/x", disk.Name);
    }

    [Theory]
    [InlineData("nbd://host/disk")]
    [InlineData("""json:{\"driver\":\"raw\",\"offset\":512,\"file\":{\"driver\":\"file\",\"filename\":\"/b.raw\"}}""")]
    [InlineData("""json:{\"driver\":\"qcow2\",\"file\":{\"driver\":\"nbd\",\"host\":\"h\"}}""")]
    public void What_no_overlay_could_name_is_refused_with_the_reason(string image) =>
        Refused("no overlay can repeat", Device("d", "n", "raw", "x", $$"""{"virtual-size":1,"filename":"{{image}}"}"""));

    [Fact]
    public void An_image_without_a_place_beside_it_is_refused() => Refused("no regular file", isFile: false, Device("d", "n", "raw", "/dev/vg/lv", Raw));

    [Fact]
    public void An_image_of_two_disks_is_refused() => Refused("two disks", Device("d", "n", "raw", "b.raw", Raw), Device("e", "m", "raw", "b.raw", Raw));

    [Fact]
    public void A_chain_as_long_as_allowed_is_refused_before_it_grows()
    {
        string? image = null;
        for (var depth = 0; depth < DiskPlan.LongestChain - 1; depth++) image = Above($"/img/{depth}", image);
        Assert.Single(DiskPlan.Choose(Guest, Parse(Device("d", "n", "qcow2", "x", image!)), _ => true));

        Refused("more than 16", Device("d", "n", "qcow2", "x", Above("/img/top", image)));
    }

    [Fact]
    public void An_overlay_lies_beside_its_image_and_overlays_of_overlays_do_not_get_longer_names()
    {
        var (first, second) = (new Ulid(1), new Ulid(2));
        var disks = Parse(Device("d", "#block1", "raw", "b.raw", Raw));
        var one = Assert.Single(DiskPlan.Name(disks, first));
        var two = Assert.Single(DiskPlan.Name(Parse(Device("d", one.Node, "qcow2", "x", Above(one.Path, Above("/home/vm/b.raw", null)))), second));

        Assert.Equal(($"/home/vm/b.raw.cutpoint-{first}", "/home/vm/b.raw", "#block1"), (one.Path, one.Image, one.ImageNode));
        Assert.Equal(($"/home/vm/b.raw.cutpoint-{second}", one.Path), (two.Path, two.Image));
        Assert.InRange(two.FileNode.Length, 1, 31);
    }

    private static void Refused(string reason, params string[] devices) => Refused(reason, isFile: true, devices);

    private static void Refused(string reason, bool isFile, params string[] devices)
    {
        var error = Assert.Throws<SnapshotException>(() => DiskPlan.Choose(Guest, Parse(devices), _ => isFile));
        Assert.Equal((ErrorCode.Incompatible, true), (error.Code, error.IsPreflight));
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains("--no-disks", error.Advice, StringComparison.Ordinal);
    }

    private static IReadOnlyList<BlockDevice> Parse(params string[] devices)
    {
        using var answer = JsonDocument.Parse($"[{string.Join(',', devices)}]");
        return BlockDevice.Parse(answer.RootElement, "/home/vm");
    }

    private static string Device(string name, string node, string driver, string file, string image, bool isReadOnly = false, string qdev = "/machine/x") =>
        $$$"""
        {"device":"{{{name}}}","qdev":"{{{qdev}}}","inserted":{"node-name":"{{{node}}}","drv":"{{{driver}}}","ro":{{{(isReadOnly ? "true" : "false")}}},
         "file":"{{{file}}}","detect_zeroes":"off","cache":{"no-flush":false,"direct":false,"writeback":true},"image":{{{image}}}
         }}
        """;

    private static string Above(string file, string? below) =>
        $$$"""
        {"virtual-size":16777216,"format":"qcow2","filename":"json:{\"driver\":\"qcow2\",\"backing\":{},\"file\":{\"driver\":\"file\",\"filename\":\"{{{file}}}\"}}"
         {{{(below is null ? "" : $",\"backing-image\":{below}")}}}}
        """;
}
