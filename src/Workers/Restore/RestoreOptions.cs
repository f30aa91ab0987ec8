using Cutpoint.Guests;

namespace Cutpoint.Workers.Restore;

/// <summary>What to restore, and how.</summary>
public sealed record RestoreOptions
{
    /// <summary>The checkpoint: an id or its beginning, a name, or "latest".</summary>
    public required string Checkpoint { get; init; }

    /// <summary>The guest; null for all of the checkpoint.</summary>
    public string? Guest { get; init; }

    /// <summary>A QEMU that waits with -incoming defer, for one guest; null launches QEMU from the recorded definition.</summary>
    public GuestUri? Target { get; init; }

    /// <summary>The transport.</summary>
    public RestoreTransport Transport { get; init; }

    /// <summary>
    /// True maps RAM files shared, so that the guest can be captured directly again; false maps them copy-on-write, so that one set of files serves any number
    /// of clones. Null is false, but for guests with vhost-user devices, whose other processes must see the guest's writes.
    /// </summary>
    public bool? SharedMemory { get; init; }

    /// <summary>True leaves the guests stopped; else each runs on if it ran before it was taken.</summary>
    public bool Paused { get; init; }

    /// <summary>QEMU's program when it is to be launched; null for the recorded one.</summary>
    public string? Program { get; init; }

    /// <summary>New paths for sockets and output files of the recorded command line, by their old ones.</summary>
    public IReadOnlyDictionary<string, string> Paths { get; init; } = new Dictionary<string, string>();
}
