using System.Text.RegularExpressions;
using Cutpoint.Guests;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Monitor;
using Cutpoint.Workers.Qemu.Preflight;

namespace Cutpoint.Workers.Tests.Qemu.Preflight;

public sealed partial class QemuPreflightTests
{
    [Fact]
    public async Task A_guest_with_private_RAM_is_described()
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16", "-name", "tom", "-smp", "2");
        var seen = await InspectAsync(guest);
        var description = seen.Description;
        Assert.Equal(("qemu", "tom", $"qemu:{guest.Socket}"), (description.Driver, description.Name, description.Uri));
        Assert.Matches("^pc-i440fx-[0-9.]+$", description.MachineType);
        Assert.Equal(("qemu64", 2, "tcg"), (description.CpuModel, description.CpuCount, description.Accelerator));
        Assert.True(description.WasRunning);
        Assert.Contains("-nodefaults", description.CommandLine);
        Assert.Equal(guest.Directory, description.Properties[QemuInspection.DirectoryProperty]);
        Assert.Equal("qemu-system-x86_64", Path.GetFileName(description.Properties[QemuInspection.ExecutableProperty]));
        Assert.Equal(new RamBlock("pc.ram", 16 << 20), description.Blocks[0]);
        Assert.Contains(new RamBlock("pc.bios", 256 << 10, IsReadOnly: true), description.Blocks);
        Assert.Equal(new MemoryRange(0x100000, 15 << 20, "pc.ram", 0x100000), description.Memory.Last(range => range.Block == "pc.ram"));
        Assert.Equal(new MemoryRange(0xfffc0000, 256 << 10, "pc.bios", 0), description.Memory[^1]);
        Assert.All(seen.Backings, backing => Assert.Equal(QemuRamKind.Private, backing.Kind));
        Assert.Equal("pc.ram", seen.Backings[0].Backend);
        seen.RequireCapturable();
        seen.RequireCapabilities("events", "x-ignore-shared");
    }

    [Theory]
    [InlineData("memory-backend-file,id=ram0,size=16M,mem-path=ram.bin,share=on", QemuRamKind.NamedFile)]
    [InlineData("memory-backend-memfd,id=ram0,size=16M,share=on", QemuRamKind.NamelessFile)]
    [InlineData("memory-backend-file,id=ram0,size=16M,mem-path=/dev/shm,share=on", QemuRamKind.NamelessFile)]
    [InlineData("memory-backend-ram,id=ram0,size=16M,share=on", QemuRamKind.NamelessFile)]
    [InlineData("memory-backend-file,id=ram0,size=16M,mem-path=ram.bin,share=off", QemuRamKind.Private)]
    public async Task Shared_RAM_is_found_and_its_path_leads_to_what_the_guest_writes(string backend, QemuRamKind kind)
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16", "-object", backend, "-machine", "pc,memory-backend=ram0");
        var seen = await InspectAsync(guest);
        var ram = seen.Backings.Single(backing => backing.Backend == "ram0");
        Assert.Equal((kind, "ram0", 0L), (ram.Kind, ram.Block.Name, ram.FileOffset));
        Assert.Equal(kind == QemuRamKind.Private, ram.Path is null);
        if (ram.Path is null) return;
        // The first of the guest's self-checking pages begins with a mark and its number.
        using var file = File.OpenHandle(ram.Path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var page = new byte[8];
        RandomAccess.Read(file, page, ram.FileOffset + (4 << 20) + 4096);
        Assert.Equal((0x50414e53, 1), (BitConverter.ToInt32(page), BitConverter.ToInt32(page, 4)));
    }

    [Fact]
    public async Task Two_memfds_of_one_size_are_told_apart()
    {
        await using var guest = await ToyGuest.StartAsync("-m", "32", "-smp", "2",
            "-object", "memory-backend-memfd,id=m0,size=16M,share=on", "-object", "memory-backend-memfd,id=m1,size=16M,share=on",
            "-numa", "node,memdev=m0", "-numa", "node,memdev=m1");
        var seen = await InspectAsync(guest);
        var files = seen.Backings.Where(backing => backing.Path is not null)
            .ToDictionary(backing => backing.Block.Name, backing => backing.Path!);
        Assert.Equal(["m0", "m1"], files.Keys.Order());
        Assert.NotEqual(files["m0"], files["m1"]);
        using var file = File.OpenHandle(files["m0"], FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var mark = new byte[4];
        RandomAccess.Read(file, mark, 4 << 20);
        Assert.Equal(0x50414e53, BitConverter.ToInt32(mark));
    }

    [Fact]
    public async Task Default_devices_bring_their_own_memory_and_old_machine_types_name_backends_by_path()
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16", "-object", "memory-backend-file,id=ram0,size=16M,mem-path=ram.bin",
            "-machine", "pc-i440fx-2.8,memory-backend=ram0", "-device", "VGA");
        var seen = await InspectAsync(guest);
        Assert.Equal("ram0", seen.Backings.Single(backing => backing.Block.Name == "/objects/ram0").Backend);
        Assert.Contains(seen.Description.Blocks, block => block.Name == "vga.vram" && !block.IsReadOnly);
        Assert.Contains(seen.Description.Memory, range => range.Block == "/objects/ram0");
    }

    [Fact]
    public async Task Two_cards_of_one_kind_are_told_apart_in_the_memory_map_also_behind_a_bridge()
    {
        await using var guest = await ToyGuest.StartAsync(
            "-m", "32", "-device", "VGA,id=a,addr=4,vgamem_mb=8", "-device", "secondary-vga,id=b,addr=5,vgamem_mb=8",
            "-device", "pci-bridge,chassis_nr=1,id=behind,addr=6", "-device", "secondary-vga,id=c,bus=behind,addr=3,vgamem_mb=8");

        var seen = await InspectAsync(guest);

        var cards = seen.Description.Memory.Where(range => range.Block.EndsWith("/vga.vram", StringComparison.Ordinal))
            .ToDictionary(range => range.Address, range => range.Block);
        // QEMU itself says which card owns what is at an address.
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        var owners = OwnedRange().Matches(await monitor.HumanMonitorAsync("info mtree -f -o", default))
            .Select(match => (Address: Convert.ToUInt64(match.Groups[1].Value, 16), Card: match.Groups[2].Value)).Distinct().ToList();
        Assert.Equal(3, owners.Count);
        foreach (var (address, card) in owners)
        {
            Assert.Equal(card switch { "a" => "0000:00:04.0/vga.vram", "b" => "0000:00:05.0/vga.vram", _ => "0000:00:06.0:03.0/vga.vram" }, cards[address]);
        }
    }

    [Fact]
    public async Task A_TCG_guest_that_would_lose_writes_in_a_live_migration_is_known()
    {
        await using var hit = await ToyGuest.StartAsync("-m", "16");
        var seen = await InspectAsync(hit);
        Assert.Contains("pc.ram", seen.LosesWrites, StringComparison.Ordinal);
        await using var safe = await ToyGuest.StartAsync("-m", "16392K");
        Assert.Null((await InspectAsync(safe)).LosesWrites);
        Assert.Null((seen with { Version = new Version(9, 0, 0) }).LosesWrites);
        Assert.Null((seen with { Description = seen.Description with { Accelerator = "kvm" } }).LosesWrites);
    }

    [Fact]
    public async Task A_guest_that_cannot_be_captured_is_refused_with_the_reason()
    {
        await using var guest = await ToyGuest.StartAsync("-m", "16");
        await using var session = await QemuSession.ConnectAsync(guest.Socket, guest.SessionOptions, default);
        var seen = await InspectAsync(session.Monitor, guest);
        Refused(seen with { Migration = seen.Migration with { BlockedReasons = ["VFIO device doesn't support migration"] } },
            "VFIO device");
        Refused(seen with { Status = new QemuStatus("postmigrate", false) }, "stands still since a migration");
        Refused(seen with { Status = new QemuStatus("inmigrate", false) }, "waits for an incoming migration");
        var error = Assert.Throws<SnapshotException>(() => seen.RequireCapabilities("events", "mapped-ram"));
        Assert.Equal(ErrorCode.Incompatible, error.Code);
        Assert.Contains($"QEMU {seen.Version}, which has no migration capability 'mapped-ram'", error.Message, StringComparison.Ordinal);

        // A migration under way: into a socket nobody reads.
        await session.SetParametersAsync(new Dictionary<string, long> { ["max-bandwidth"] = 4096 }, default);
        var (ours, theirs) = UnixSocketPair.Create();
        using (ours)
        {
            using (theirs) await session.SendDescriptorAsync("m", theirs, default);
            await session.MigrateAsync("m", default);
            Refused(await InspectAsync(session.Monitor, guest), "already being migrated");
            Assert.Equal("cancelled", (await session.CancelMigrationAsync(default)).Status);
        }
        (await InspectAsync(session.Monitor, guest)).RequireCapturable();
    }

    private static void Refused(QemuInspection seen, string reason)
    {
        var error = Assert.Throws<SnapshotException>(seen.RequireCapturable);
        Assert.True(error.IsPreflight);
        Assert.NotNull(error.Advice);
        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
    }

    private static async Task<QemuInspection> InspectAsync(ToyGuest guest)
    {
        await using var monitor = await QmpClient.ConnectAsync(guest.Socket, TimeProvider.System, default);
        return await InspectAsync(monitor, guest);
    }

    private static Task<QemuInspection> InspectAsync(QmpClient monitor, ToyGuest guest) =>
        QemuPreflight.InspectAsync(monitor, GuestUri.Parse($"qemu:{guest.Socket}"), default);

    [GeneratedRegex(@"([0-9a-f]{16})-[0-9a-f]{16} \(prio \d+, ram\): vga\.vram.* owner:\{dev id=(\w)\}")]
    private static partial Regex OwnedRange();
}
