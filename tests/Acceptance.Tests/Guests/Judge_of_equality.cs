using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Guests;

/// <summary>The other judge: QEMU's own dump. It must call a machine equal to its copy by QEMU's own migration, and unequal after one written octet.</summary>
public sealed class Judge_of_equality
{
    [Fact]
    public async Task Finds_a_migrated_guest_equal_and_one_changed_octet_different()
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var ct = cancellation.Token;
        using var directory = new TemporaryDirectory();
        var options = new GuestOptions { RamKiB = 98312, Cpus = 2, VmCoreInfo = true };
        await using var source = await Guest.BootAsync(options, directory.File("a"), ct);
        using (var probe = await QmpProbe.ConnectAsync(source.Monitor, ct))
        {
            await probe.ExecuteAsync("stop", null, ct);
            await probe.ExecuteAsync("migrate-set-capabilities", JsonNode.Parse("""{"capabilities":[{"capability":"events","state":true}]}""")!.AsObject(), ct);
            await probe.ExecuteAsync("migrate", new JsonObject { ["uri"] = $"exec:cat > {directory.File("stream")}" }, ct);
            while ((string?)(await probe.EventAsync("MIGRATION", ct))["data"]!["status"] != "completed") continue;
        }
        await using var copy = await Guest.StartAsync(
            options with { Extra = ["-S", "-incoming", $"exec:cat {directory.File("stream")}"] }, directory.File("b"), ct);
        while (await copy.StatusAsync(ct) is "inmigrate") await Task.Delay(20, ct);

        using var expected = await GuestDump.TakeAsync(source.Monitor, directory.File("a.elf"), ct);
        using (var actual = await GuestDump.TakeAsync(copy.Monitor, directory.File("b.elf"), ct))
            Assert.Empty(GuestDump.Differences(expected, actual));
        Assert.InRange(expected.Length, options.RamKiB * 1024, (options.RamKiB * 1024) + (1 << 20));
        Assert.Equal(["CORE", "CORE", "QEMU", "QEMU", "VMCOREINFO"], expected.Notes.Select(note => note.Name).Order());

        using (var ram = new FileStream(directory.File("b/ram"), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            ram.Position = 0x1234567;
            var octet = ram.ReadByte();
            ram.Position--;
            ram.WriteByte((byte)~octet);
        }
        using var changed = await GuestDump.TakeAsync(copy.Monitor, directory.File("c.elf"), ct);
        Assert.Equal(["page 0x1234000 differs"], GuestDump.Differences(expected, changed));
    }
}
