using System.Text;
using Cutpoint.Guests;
using Cutpoint.Repository;

namespace Cutpoint.Shared.Tests.Repository;

public class CheckpointTests : RepositorySuite
{
    private static readonly RamBlock Ram = new("pc.ram", (6 << 20) + 8192);
    private static readonly RamBlock Video = new("vga.vram", 256 << 10);

    [Fact]
    public async Task A_checkpoint_gives_back_memory_devices_and_description()
    {
        using var directory = new TemporaryDirectory();
        using var model = new GuestModel(1, Ram, Video).Fill(60);
        CheckpointInfo taken;
        await using (var repository = await DirectoryRepository.InitAsync(
            RepositoryLocation.Parse(directory.File("r")), TimeProvider.System, default))
        {
            taken = await model.TakeAsync(
                repository, new CheckpointOptions { Name = "first", Labels = new Dictionary<string, string> { ["a"] = "b" } });
        }
        await using var again = await DirectoryRepository.OpenAsync(
            RepositoryLocation.Parse(directory.File("r")), TimeProvider.System, default);
        var listed = Assert.Single(await again.ListAsync(default));
        Assert.Equivalent(taken, listed);
        await using var reader = await again.OpenCheckpointAsync(listed, default);
        var guest = reader.Guest(null);
        Assert.Equal("model:guest", guest.Manifest.Description.Uri);
        Assert.Equal(model.Blocks, guest.Manifest.Description.Blocks);
        Assert.Equal("""{"passes":1}""", guest.Manifest.Record);
        Assert.Equal(["cpu/0 12", "timer/1 3"], guest.Manifest.Devices.Select(device => $"{device.Unit} {device.Version}"));
        Assert.Equal("cpu state", Encoding.UTF8.GetString(await guest.ReadStateAsync(guest.Manifest.Devices[0], default)));
        Assert.Equal("""{"name":"cpu"}""", Encoding.UTF8.GetString(await guest.ReadDescriptionAsync(guest.Manifest.Devices[0], default)));
        Assert.Empty(await guest.ReadDescriptionAsync(guest.Manifest.Devices[1], default));
        await model.AssertEqualAsync(guest);
        Assert.Equal(listed.Guests[0].ContentBytes, guest.ContentBytes);
    }

    [Fact]
    public async Task A_checkpoint_holds_the_guests_that_were_chosen_in_their_order()
    {
        await using var repository = await CreateAsync();
        await using var writer = await repository.Open.BeginAsync(new CheckpointOptions(), default);
        var models = new Dictionary<string, GuestModel>();
        foreach (var name in (string[])["a", "b", "c"])
        {
            models[name] = new GuestModel(1, Ram) { Name = name }.Fill(20);
            var guest = await writer.AddGuestAsync(name, models[name].Blocks, default);
            guest.Description = models[name].Description;
            await models[name].WriteAllAsync(repository.Open, writer, guest);
        }
        await Assert.ThrowsAsync<ArgumentException>(() => writer.ChooseGuestsAsync(["d"], default).AsTask());
        await writer.ChooseGuestsAsync(["c", "a"], default);
        var taken = await writer.CommitAsync(default);
        Assert.Equal(["c", "a"], taken.Guests.Select(guest => guest.Name));
        foreach (var name in (string[])["c", "a"]) await repository.AssertHoldsAsync(taken, models[name]);
        await repository.AssertSoundAsync();
        foreach (var model in models.Values) model.Dispose();
    }
}
