namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>What went wrong between a QMP client and its monitor.</summary>
public enum QmpFailure
{
    /// <summary>No such socket.</summary>
    NoSocket,

    /// <summary>The socket exists and nobody listens on it.</summary>
    NobodyListens,

    /// <summary>The socket may not be opened by this user.</summary>
    Denied,

    /// <summary>It answers, but not as a QMP monitor does.</summary>
    NotQmp,

    /// <summary>It accepts connections and greets nobody: a monitor serves one client, and another has it.</summary>
    InUse,

    /// <summary>The monitor answered a command with an error.</summary>
    Refused,

    /// <summary>No answer within the deadline.</summary>
    Stalled,

    /// <summary>The connection ended before the answer.</summary>
    Ended,

    /// <summary>The monitor sent something that is not QMP, or a line beyond the limit.</summary>
    Garbage,

    /// <summary>More events came than the reader took.</summary>
    Overrun,
}
