using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Launch;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Tests.Qemu.Launch;

public sealed class QemuCommandLineTests
{
    private static readonly Dictionary<string, string> NoFiles = [];

    [Fact]
    public void What_belongs_to_the_old_process_is_left_out_and_the_rest_is_kept()
    {
        var plan = Plan(["-S", "-daemonize", "-pidfile", "/run/x.pid", "-incoming", "defer", "--loadvm", "old",
            "-qmp", "unix:/run/vm.qmp,server,nowait", "-name", "vm,debug-threads=on", "-m", "16", "-nodefaults", "-append", "-v --x",
            "disk.img", "-mem-path", "/dev/hugepages", "-mem-prealloc"]);
        Assert.Equal(["-name", "vm,debug-threads=on", "-m", "16", "-nodefaults", "-append", "-v --x", "disk.img",
            "-qmp", "unix:/run/new/qmp,server=on,wait=off", "-incoming", "defer"], plan.Arguments);
        Assert.Equal(("/usr/bin/qemu", "/home/vm"), (plan.Program, plan.WorkingDirectory));
        Assert.Equal(("/run/new/qmp", "/run/new/qemu.log"), (plan.QmpSocket, plan.Log));
    }

    [Theory]
    [InlineData("-serial", "file:vm.log", "file:/run/new/vm.log", "/home/vm/vm.log")]
    [InlineData("-serial", "mon:unix:/run/vm.ser,server,nowait", "mon:unix:/run/new/vm.ser,server,wait=off", "/run/vm.ser")]
    [InlineData("-monitor", "unix:/run/vm.hmp,server=on,wait=on", "unix:/run/new/vm.hmp,server=on,wait=off", "/run/vm.hmp")]
    [InlineData("-monitor", "tcp::4444,server=on", "tcp::4444,server=on,wait=off", null)]
    [InlineData("-chardev", "socket,id=s,path=/r/a,,b,server=on,wait=on", "socket,id=s,path=/run/new/a,,b,server=on,wait=off", "/r/a,b")]
    [InlineData("-chardev", "socket,id=tpm,path=/run/swtpm", "socket,id=tpm,path=/run/swtpm", null)]
    [InlineData("-chardev", "file,id=f,path=/var/log/f,logfile=/var/log/g", "file,id=f,path=/run/new/f,logfile=/run/new/g", "/var/log/f")]
    [InlineData("-chardev", "stdio,id=c,mux=on", "stdio,id=c,mux=on", null)]
    [InlineData("-vnc", "unix:/run/vm.vnc,password=on", "unix:/run/new/vm.vnc,password=on", "/run/vm.vnc")]
    [InlineData("-vnc", ":1", ":1", null)]
    [InlineData("-D", "/var/log/qemu", "/run/new/qemu", "/var/log/qemu")]
    [InlineData("-serial", "none", "none", null)]
    [InlineData("-serial", "chardev:s", "chardev:s", null)]
    public void Sockets_and_output_files_get_a_place_of_their_own(string option, string recorded, string expected, string? moved)
    {
        var plan = Plan([option, recorded]);
        Assert.Equal([option, expected], plan.Arguments.Take(2));
        if (moved is null) Assert.Empty(plan.Moved);
        else Assert.Equal("/run/new/" + Path.GetFileName(moved), plan.Moved[moved]);
    }

    [Theory]
    [InlineData("-netdev", "stream,id=n,server=off,addr.type=unix,addr.path=/a/net", "stream,id=n,server=off,addr.type=unix,addr.path=/peer/net")]
    [InlineData("-netdev", "stream,id=n,server=on,addr.type=unix,addr.path=/b/net", "stream,id=n,server=on,addr.type=unix,addr.path=/run/new/net")]
    [InlineData("-netdev", "stream,id=n,addr.type=inet,addr.host=h,addr.port=1", "stream,id=n,addr.type=inet,addr.host=h,addr.port=1")]
    [InlineData(
        "-netdev", "dgram,id=n,local.type=unix,local.path=/b/net,remote.type=unix,remote.path=/a/net",
        "dgram,id=n,local.type=unix,local.path=/run/new/net,remote.type=unix,remote.path=/peer/net")]
    [InlineData("-chardev", "socket,id=c,path=/a/net", "socket,id=c,path=/peer/net")]
    [InlineData("-serial", "unix:/a/net", "unix:/peer/net")]
    [InlineData("-serial", "unix:/elsewhere", "unix:/elsewhere")]
    public void A_guest_that_was_connected_to_another_follows_its_socket(string option, string recorded, string expected)
    {
        var plan = QemuCommandLine.Plan(
            Guest([option, recorded]), NoFiles, Options() with { Peers = new Dictionary<string, string> { ["/a/net"] = "/peer/net" } });
        Assert.Equal([option, expected], plan.Arguments.Take(2));
    }

    [Fact]
    public void Two_files_of_one_name_stay_two_and_a_wish_is_followed()
    {
        var wish = Options() with { Paths = new Dictionary<string, string> { ["/c/serial"] = "/elsewhere/serial" } };
        var guest = Guest(
            ["-serial", "file:/a/serial", "-serial", "file:/b/serial", "-serial", "file:/c/serial", "-serial", "file:/q/qmp"]);
        var plan = QemuCommandLine.Plan(guest, NoFiles, wish);
        Assert.Equal(["file:/run/new/serial", "file:/run/new/serial-2", "file:/elsewhere/serial", "file:/run/new/qmp-2"],
            plan.Arguments.Where(argument => argument.StartsWith("file:", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("memory-backend-file,id=ram0,size=16M,mem-path=/dev/shm/x,share=on,prealloc=on,discard-data=on,merge=off")]
    [InlineData("memory-backend-memfd,id=ram0,size=16M,share=on,hugetlb=on,hugetlbsize=2M,seal=on,merge=off")]
    [InlineData("""{"qom-type":"memory-backend-ram","id":"ram0","size":16777216,"merge":false}""")]
    public void A_memory_backend_takes_its_contents_from_the_file(string backend)
    {
        var guest = Guest(["-object", backend, "-machine", "pc,memory-backend=ram0"]) with { Blocks = [new RamBlock("ram0", 16 << 20)] };
        var files = new Dictionary<string, string> { ["ram0"] = "/repo/run/a,b.ram" };
        var plan = QemuCommandLine.Plan(guest, files, Options());
        Assert.Equal("memory-backend-file,id=ram0,size=16777216,mem-path=/repo/run/a,,b.ram,share=off,"
            + "x-use-canonical-path-for-ramblock-id=off,merge=off", plan.Arguments[1]);
        Assert.Single(plan.Arguments, argument => argument == "-object");
        plan = QemuCommandLine.Plan(guest, files, Options() with { SharedMemory = true });
        Assert.Contains(",share=on,", plan.Arguments[1], StringComparison.Ordinal);
    }

    [Fact]
    public void A_recorded_RAM_file_is_never_mapped_again_since_the_original_may_have_it()
    {
        var guest = Guest(["-object", "memory-backend-file,id=ram0,size=16M,mem-path=/dev/shm/x,share=on"]) with
        {
            Blocks = [new RamBlock("ram0", 16 << 20)],
        };
        var plan = QemuCommandLine.Plan(guest, NoFiles, Options());
        Assert.Equal("memory-backend-ram,id=ram0,size=16777216,x-use-canonical-path-for-ramblock-id=off", plan.Arguments[1]);
    }

    [Fact]
    public void RAM_given_by_size_alone_and_an_alias_of_the_machine_become_exact()
    {
        var guest = Guest(["-M", "pc", "-m", "16"]) with { Blocks = [new RamBlock("pc.ram", 16 << 20)], MachineType = "pc-i440fx-7.2" };
        var plan = QemuCommandLine.Plan(guest, new Dictionary<string, string> { ["pc.ram"] = "/r" }, Options());
        Assert.Equal(["-M", "pc", "-m", "16", "-machine", "pc-i440fx-7.2",
            "-object", "memory-backend-file,id=pc.ram,size=16777216,mem-path=/r,share=off,x-use-canonical-path-for-ramblock-id=off",
            "-machine", "memory-backend=pc.ram"],
            plan.Arguments.Take(10));
    }

    [Fact]
    public void A_guest_restored_before_is_restored_again_by_the_same_command_line()
    {
        var guest = Guest(["-M", "pc", "-m", "16"]) with { Blocks = [new RamBlock("pc.ram", 16 << 20)], MachineType = "pc-i440fx-7.2" };
        var files = new Dictionary<string, string> { ["pc.ram"] = "/r" };
        var first = QemuCommandLine.Plan(guest, files, Options());
        var second = QemuCommandLine.Plan(guest with { CommandLine = [first.Program, .. first.Arguments] }, files, Options());
        Assert.Equal(first.Arguments, second.Arguments);
    }

    [Theory]
    [InlineData("-netdev", "tap,id=n,fd=27")]
    [InlineData("-netdev", """{"type":"tap","id":"n","fds":"27:28"}""")]
    [InlineData("-add-fd", "set=1,fd=30")]
    [InlineData("-drive", "file=/dev/fdset/1")]
    [InlineData("-chardev", "socket,id=c,fd=5,server=on")]
    public void A_command_line_that_rests_on_passed_descriptors_is_refused(string option, string argument)
    {
        var error = Assert.Throws<SnapshotException>(() => Plan([option, argument]));
        Assert.Contains(argument, error.Message, StringComparison.Ordinal);
        Assert.Contains("--to", error.Advice, StringComparison.Ordinal);
    }

    [Fact]
    public void An_unknown_command_line_is_refused()
    {
        var error = Assert.Throws<SnapshotException>(() => QemuCommandLine.Plan(Guest([]) with { CommandLine = [] }, NoFiles, Options()));
        Assert.Equal(ErrorCode.Incompatible, error.Code);
    }

    private static QemuLaunchPlan Plan(string[] arguments) => QemuCommandLine.Plan(Guest(arguments), NoFiles, Options());

    private static QemuLaunchOptions Options() => new() { Directory = "/run/new" };

    private static GuestDescription Guest(string[] arguments) => new()
    {
        Driver = "qemu", Name = "vm", Uri = "qemu:/run/vm.qmp", CommandLine = ["qemu", .. arguments],
        Properties = new Dictionary<string, string>
        {
            [QemuInspection.DirectoryProperty] = "/home/vm", [QemuInspection.ExecutableProperty] = "/usr/bin/qemu",
        },
    };
}
