using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Guests;

/// <summary>A guest that went through a file of VirtualBox's format, from one repository into another, runs on.</summary>
public sealed class Saved_state
{
    [Fact]
    public async Task Carries_a_running_guest_into_another_repository()
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        var ct = cancellation.Token;
        using var directory = new TemporaryDirectory();
        var here = new CutpointProgram(directory.File("here"), directory.File("state"));
        var there = new CutpointProgram(directory.File("there"), directory.File("state"));
        await here.QueryAsync(ct, "init");
        await there.QueryAsync(ct, "init");
        var file = directory.File("guest.sav");
        await using (var source = await Guest.BootAsync(new GuestOptions { RamKiB = 98312 }, directory.File("source"), ct))
        {
            await here.QueryAsync(ct, "take", source.Uri, "--name", "one", "--after", "stop");
            await source.KillAsync();
        }

        await here.QueryAsync(ct, "export", "one", "--format", "sav", "-o", file);
        var inspected = await there.QueryAsync(ct, "inspect", file);
        Assert.Equal("sav", (string)inspected["format"]!);
        Assert.Contains(inspected["blocks"]!.AsArray(), block => (string)block!["name"]! == "pc.ram" || (string)block["name"]! == "ram0");
        await there.QueryAsync(ct, "import", file, "--name", "two");

        await using var launched = RestoredGuest.From(await there.QueryAsync(ct, "restore", "two", "--launch"));
        await launched.Serial.WaitForCountsAsync(3, ct);
        Assert.Empty(launched.Serial.Complaints);
    }
}
