namespace Cutpoint.Nodes;

/// <summary>What a frame of a line carries. The numbers are those of the wire.</summary>
public enum FrameKind : byte
{
    /// <summary><see cref="NodeGreeting"/>: the first frame of a coordinator.</summary>
    Greeting = 1,

    /// <summary>Nothing: the greeting is accepted.</summary>
    Welcome = 2,

    /// <summary>A <see cref="Jobs.JobError"/>: what was asked for is refused or has failed. The last frame of a line.</summary>
    Failed = 3,

    /// <summary><see cref="NodeBeat"/>.</summary>
    Beat = 4,

    /// <summary><see cref="Jobs.WorkerCommand"/>.</summary>
    Command = 5,

    /// <summary><see cref="Jobs.WorkerReport"/>.</summary>
    Report = 6,

    /// <summary><see cref="Jobs.JobProgress"/>.</summary>
    Progress = 7,

    /// <summary><see cref="CheckpointIds"/>: the worker has overlays of disks for these checkpoints, and asks which of them will not be needed any more.</summary>
    Overlays = 8,

    /// <summary><see cref="CheckpointIds"/>: the answer, those that are not there and cannot come into being.</summary>
    Missing = 9,

    /// <summary>A <see cref="Guests.GuestDescription"/>: a guest's place in the checkpoint is asked for.</summary>
    OpenStore = 16,

    /// <summary><see cref="StoreTerms"/>: the place is there.</summary>
    StoreOpened = 17,

    /// <summary>Nothing: which pages are stored already is asked for.</summary>
    ReadKnown = 18,

    /// <summary>Hashes of pages that are stored already; see <see cref="StoreFrames"/>.</summary>
    KnownHashes = 19,

    /// <summary><see cref="Repository.KnownPages"/>: no more hashes follow.</summary>
    Known = 20,

    /// <summary>A section; see <see cref="StoreFrames"/>.</summary>
    Section = 21,

    /// <summary><see cref="StoredDevice"/>: octets follow.</summary>
    Device = 22,

    /// <summary>Octets of the device last named: its state, then the description.</summary>
    DeviceOctets = 23,

    /// <summary><see cref="SealedGuest"/>: everything was sent.</summary>
    Seal = 24,

    /// <summary>Nothing: everything that was sent has arrived and is ready for the commit.</summary>
    Sealed = 25,
}
