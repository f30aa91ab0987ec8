using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Disks;

namespace Cutpoint.Workers.Tests.Qemu.Disks;

/// <summary>The disk of a guest is called 0, the overlays made above it 1, 2, 3 and so on; set N froze image N - 1 and added overlay N.</summary>
public sealed class FrozenImagesTests
{
    private static readonly ProcessIdentity Ended = new(int.MaxValue, 1);

    private readonly List<OverlayEntry> _sets = [];
    private readonly HashSet<string> _dead = [];
    private readonly Dictionary<string, string> _headers = [];

    [Fact]
    public void An_image_nobody_needs_takes_its_overlay_at_the_oldest_end_and_in_the_middle()
    {
        Cut(1, 2, 3, 4);
        Forget(1, 3);

        Assert.Equal([true, false, true, false], MayMerge(1, 2, 3, 4));
    }

    [Fact]
    public void A_chain_that_got_shorter_is_read_as_it_is_now()
    {
        Cut(1, 2, 3, 4);
        Forget(1, 2);
        Merge(1, into: 0);

        // The second set's image is overlay 1, which reads as image 0 now; only its own set may have needed it.
        Assert.True(Frozen.MayTake("/0", "/2"));
        Merge(2, into: 0);
        Assert.Equal((true, false), (Frozen.Read("/2"), Frozen.Read("/1")));
    }

    [Fact]
    public void An_overlay_that_stands_for_an_image_keeps_what_it_reads()
    {
        Cut(1, 2, 3);
        Forget(1);
        Merge(1, into: 0);
        Forget(3);

        Assert.True(Frozen.Read("/1"));
        // The checkpoint of the second set reads image 0 through what is left of overlay 1.
        Assert.False(Frozen.MayTake("/0", "/2"));
    }

    [Fact]
    public void A_restored_guests_own_checkpoint_holds_the_image_it_stands_on()
    {
        Cut(1, 2, 3);
        Add("clone", ["/run/disk", "/1", "/0"], "/run/disk.overlay", qemu: null);
        Forget(1, 2, 3);

        Assert.Equal([true, false, true], MayMerge(1, 2, 3));
    }

    [Fact]
    public void What_an_ended_guest_has_left_is_not_spoiled_though_its_checkpoint_is_forgotten()
    {
        Cut(1);
        Add("clone", ["/elsewhere/disk", "/0"], "/elsewhere/overlay", Ended);
        Forget(1);
        _dead.Add("clone");

        Assert.False(Frozen.MayTake("/0", "/1"));
        Assert.True(Frozen.StandOn("/0"));
    }

    [Fact]
    public void Overlays_of_an_ended_guest_are_a_guests_that_was_started_with_them()
    {
        Add("1", ["/0"], "/1", Ended);
        Add("2", ["/1", "/0"], "/2", qemu: null);
        _dead.Add("1");

        Assert.True(Frozen.MayTake("/0", "/1"));
    }

    private FrozenImages Frozen => new(_sets, _dead, path => _headers.GetValueOrDefault(path));

    private void Cut(params int[] numbers)
    {
        foreach (var number in numbers) Add($"{number}", [.. Enumerable.Range(0, number).Reverse().Select(image => $"/{image}")], $"/{number}", qemu: null);
    }

    private void Add(string id, IReadOnlyList<string> chain, string overlay, ProcessIdentity? qemu)
    {
        _headers[overlay] = chain[0];
        _sets.Add(new OverlayEntry
        {
            Id = id, Repository = "r", Checkpoint = id, Socket = "/qmp", Boot = ProcessIdentity.Boot, Qemu = qemu,
            Overlays = [new DiskOverlay("disk", "node", "raw", 1 << 20, chain, overlay, "cp" + id)],
        });
    }

    private void Forget(params int[] sets) => _dead.UnionWith(sets.Select(set => $"{set}"));

    /// <summary>What a merge does: what stood on the overlay stands on the image.</summary>
    private void Merge(int overlay, int into)
    {
        foreach (var (file, below) in _headers.ToList())
            if (below == $"/{overlay}") _headers[file] = $"/{into}";
        var at = _sets.FindIndex(set => set.Id == $"{overlay}");
        _sets[at] = _sets[at] with { Overlays = [_sets[at].Overlays[0] with { IsMerged = true }] };
    }

    private bool[] MayMerge(params int[] overlays) => [.. overlays.Select(overlay => Frozen.MayTake($"/{overlay - 1}", $"/{overlay}"))];
}
