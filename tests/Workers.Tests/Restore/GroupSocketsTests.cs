using Cutpoint.Workers.Qemu.Launch;
using Cutpoint.Workers.Restore;

namespace Cutpoint.Workers.Tests.Restore;

public sealed class GroupSocketsTests
{
    [Fact]
    public void Who_listens_is_started_before_who_connects()
    {
        var sockets = new GroupSockets([Plan([], "/hub"), Plan(["/leaf"], "/middle"), Plan(["/hub", "/middle"]), Plan([])]);
        Assert.Equal([2, 0, 1, 3], sockets.Order);
        Assert.Equal("/new/leaf", sockets.Moved["/leaf"]);
    }

    [Fact]
    public void Guests_that_send_to_each_other_keep_their_order() =>
        Assert.Equal([0, 1], new GroupSockets([Plan(["/a"], "/b"), Plan(["/b"], "/a")]).Order);

    private static QemuLaunchPlan Plan(string[] listens, params string[] connects) =>
        new("qemu", [], null, "qmp", "log", listens.ToDictionary(path => path, path => "/new" + path)) { Followed = connects };
}
