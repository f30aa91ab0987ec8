using Cutpoint.Compression;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Nodes;
using Cutpoint.Repository;
using Cutpoint.Shared.Tests.Repository;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Nodes;

public sealed class RemoteGuestStoreTests : IAsyncLifetime
{
    private static readonly RamBlock[] Blocks = [new("ram", 9 << 20), new("rom", 64 << 10, IsReadOnly: true)];

    private TestRepository _repository = null!;
    private LinePair _pair = null!;

    public async Task InitializeAsync()
    {
        _repository = await TestRepository.CreateAsync();
        _pair = await LinePair.ConnectAsync();
    }

    public async Task DisposeAsync()
    {
        _pair.Dispose();
        await _repository.DisposeAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_guest_stored_from_another_node_is_the_guest_and_what_is_stored_already_is_known_there(bool isEncrypted)
    {
        if (isEncrypted)
        {
            await _repository.DisposeAsync();
            _repository = await TestRepository.CreateAsync(isEncrypted: true);
        }
        using var model = new GuestModel(1, Blocks).Fill(50);
        var based = await model.TakeAsync(_repository.Open);
        model.FillPage(0, 7);
        model.ClearPage(0, 8);
        await using var reader = await _repository.Open.OpenCheckpointAsync(based, default);
        await using var writer = await _repository.Open.BeginAsync(new CheckpointOptions(), default);
        var serving = Serve(async guest => await writer.AddGuestAsync(guest.Name, guest.Blocks, reader.Guest(null), default), writer);

        var known = new Dictionary<(int, int), ulong>();
        var state = new byte[(4 << 20) + 17];
        new Random(1).NextBytes(state);
        using (var store = await RemoteGuestStore.OpenAsync(_pair.Worker, model.Description, default))
        {
            var pages = await store.ReadKnownPagesAsync(
                (block, extent, hashes) =>
                {
                    Assert.Equal(extent.PresentCount, hashes.Length);
                    known[(block, extent.Extent)] = known.GetValueOrDefault((block, extent.Extent)) | extent.Present;
                },
                default);
            Assert.Equal(pages.Pages, known.Values.Sum(mask => System.Numerics.BitOperations.PopCount(mask)));
            Assert.True(pages.Pages > 1000);
            await model.WriteAllAsync(_repository.Open, store);
            await store.AppendAsync(new DeviceState(new UnitKey("cpu", 2), 12, state, "{}"u8.ToArray()), default);
            await store.SealAsync(model.Description, new GuestRecord { Reason = "told" }, default);
        }
        _pair.Worker.Dispose();
        await serving;

        var taken = await writer.CommitAsync(default);
        await _repository.AssertHoldsAsync(taken, model);
        await _repository.AssertSoundAsync();
        await using var stored = await _repository.Open.OpenCheckpointAsync(taken, default);
        Assert.Equal(state.Length, Assert.Single(stored.Guest(null).Manifest.Devices).Length);
        Assert.Contains("told", stored.Guest(null).Manifest.Record, StringComparison.Ordinal);
        // What is equal was found again by its identity: all sections but the first.
        Assert.True(taken.Guests[0].ReusedBytes > taken.Guests[0].ContentBytes / 2);
    }

    [Theory]
    [InlineData(false, "payload does not hold")]
    [InlineData(true, "is not what its identity says")]
    public async Task A_section_that_is_not_what_it_says_is_not_stored_and_the_worker_is_told(bool isForeign, string what)
    {
        using var model = new GuestModel(1, Blocks).Fill(50);
        await using var writer = await _repository.Open.BeginAsync(new CheckpointOptions(), default);
        var serving = Serve(async guest => await writer.AddGuestAsync(guest.Name, guest.Blocks, default), writer);
        using var store = await RemoteGuestStore.OpenAsync(_pair.Worker, model.Description, default);
        // A whole section under an identity that is not its own, or one of which a bit has turned.
        using var foreign = new SectionEncoder(Codec.Parse("zstd:1"), identity: SectionIdentity.Of(new byte[32]));
        var chunk = model.Chunk(_repository.Open, 0, (0, 1UL), (1, 2UL));
        using var section = isForeign ? foreign.Encode(chunk) : store.Encode(chunk);
        var frame = new byte[StoreFrames.LengthOf(section)];
        StoreFrames.Write(frame, section);
        if (!isForeign) frame[^1] ^= 1;

        await _pair.Worker.SendAsync(FrameKind.Section, frame.Length, frame, static (octets, frame) => frame.CopyTo(octets));
        var told = await Assert.ThrowsAsync<SnapshotException>(async () => await store.SealAsync(model.Description, new GuestRecord(), default));
        await serving;

        Assert.Equal(ErrorCode.VerificationFailed, told.Code);
        Assert.Contains(what, told.Message, StringComparison.Ordinal);
        Assert.Equal(0, writer.WrittenBytes);
    }

    [Fact]
    public async Task A_worker_does_not_store_another_guest_than_the_one_it_was_asked_for()
    {
        await using var writer = await _repository.Open.BeginAsync(new CheckpointOptions(), default);
        var serving = Serve(async guest => await writer.AddGuestAsync(guest.Name, guest.Blocks, default), writer);
        using var model = new GuestModel(1, Blocks) { Name = "other" };

        await Assert.ThrowsAsync<SnapshotException>(async () => await RemoteGuestStore.OpenAsync(_pair.Worker, model.Description, default));
        await serving;
    }

    private Task Serve(Func<GuestDescription, Task<GuestManifestBuilder>> add, CheckpointWriter writer) => new GuestStoreServer(
        _pair.Coordinator, "guest", "zstd:1", async (guest, _) => new CheckpointGuestStore(writer, await add(guest), _repository.Open.Hasher)).RunAsync(default);
}
