using System.Runtime.InteropServices;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Guests;

/// <summary>The judge of every other test here: a guest that did not notice wrong memory would prove nothing.</summary>
public sealed class Self_checking_guest
{
    [Fact]
    public async Task Reports_a_page_that_was_changed_behind_its_back()
    {
        using var cancellation = new CancellationTokenSource(TimeSpan.FromMinutes(5));
        using var directory = new TemporaryDirectory();
        await using var guest = await Guest.BootAsync(new GuestOptions { PagesPerSecond = 0, RamKiB = 98312 }, directory.Path, cancellation.Token);
        Assert.Empty(guest.Serial.Complaints);

        using (var ram = new FileStream(directory.File("ram"), FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
        {
            ram.Position = FindPage(ram, index: 77) + 1024;
            ram.WriteByte(0xA5);
        }
        await guest.Serial.WaitForComplaintAsync("WRONG page=77 word=128", cancellation.Token);
    }

    private static long FindPage(FileStream ram, ulong index)
    {
        var x = ((index + 1) * 0x9e3779b97f4a7c15UL ^ 0xd6e8feb86659fd93UL) | 1;
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        var page = new byte[4096];
        for (ram.Position = 0; ram.Read(page) == page.Length;)
        {
            var words = MemoryMarshal.Cast<byte, ulong>(page);
            if (words[0] == index && words[1] == 1 && words[2] == x) return ram.Position - page.Length;
        }
        throw new InvalidOperationException("the guest's page is nowhere in its RAM file");
    }
}
