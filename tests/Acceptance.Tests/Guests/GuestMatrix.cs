using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.Guests;

/// <summary>One guest of the matrix.</summary>
/// <param name="Machine">Machine type.</param>
/// <param name="Cpus">Virtual CPUs.</param>
/// <param name="DefaultDevices">False for -nodefaults.</param>
/// <param name="Ram">Where the RAM lies.</param>
/// <param name="HighMemory">True when most of the RAM lies above 4 GiB of the guest-physical addresses.</param>
/// <param name="Paused">True when the guest is paused before the checkpoint is taken.</param>
/// <param name="VmCoreInfo">True for a vmcoreinfo device.</param>
public sealed record MatrixGuest(string Machine, int Cpus, bool DefaultDevices, GuestRam Ram, bool HighMemory, bool Paused, bool VmCoreInfo)
{
    public GuestOptions Options => new()
    {
        Machine = HighMemory ? $"{Machine},max-ram-below-4g=128M" : Machine,
        Cpus = Cpus,
        DefaultDevices = DefaultDevices,
        Ram = Ram,
        VmCoreInfo = VmCoreInfo,
    };

    /// <summary>Every pair of values of two properties occurs in at least one of these guests.</summary>
    public static IReadOnlyList<MatrixGuest> All { get; } =
    [
        new("pc", 1, true, GuestRam.File, HighMemory: true, Paused: false, VmCoreInfo: true),
        new("pc", 1, true, GuestRam.Private, HighMemory: false, Paused: false, VmCoreInfo: false),
        new("pc", 2, false, GuestRam.Memfd, HighMemory: true, Paused: false, VmCoreInfo: false),
        new("pc", 2, true, GuestRam.File, HighMemory: false, Paused: true, VmCoreInfo: false),
        new("q35", 1, false, GuestRam.Private, HighMemory: true, Paused: false, VmCoreInfo: true),
        new("q35", 1, true, GuestRam.Memfd, HighMemory: false, Paused: true, VmCoreInfo: true),
        new("q35", 2, false, GuestRam.File, HighMemory: true, Paused: true, VmCoreInfo: true),
        new("q35", 2, false, GuestRam.Private, HighMemory: false, Paused: true, VmCoreInfo: false),
    ];

    /// <summary>The properties' values in their order.</summary>
    public IReadOnlyList<object> Values => [Machine, Cpus, DefaultDevices, Ram, HighMemory, Paused, VmCoreInfo];
}

public sealed class The_matrix
{
    private static readonly object[][] Values =
        [["pc", "q35"], [1, 2], [false, true], [GuestRam.File, GuestRam.Memfd, GuestRam.Private], [false, true], [false, true], [false, true]];

    [Fact]
    public void Holds_every_pair_of_values()
    {
        var missing =
            from i in Enumerable.Range(0, Values.Length)
            from j in Enumerable.Range(i + 1, Values.Length - i - 1)
            from a in Values[i]
            from b in Values[j]
            where !MatrixGuest.All.Any(guest => guest.Values[i].Equals(a) && guest.Values[j].Equals(b))
            select $"{a} with {b}";
        Assert.Empty(missing);
    }
}
