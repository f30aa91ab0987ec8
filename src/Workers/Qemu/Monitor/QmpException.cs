namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>An error between a QMP client and its monitor. <see cref="QemuText"/> is QEMU's own wording where there is one.</summary>
public sealed class QmpException : SnapshotException
{
    internal QmpException(QmpFailure failure, ErrorCode code, string message, string? advice = null, Exception? inner = null)
        : base(code, message, advice, inner) => Failure = failure;

    /// <summary>What went wrong.</summary>
    public QmpFailure Failure { get; }

    /// <summary>The command that was outstanding, or null while connecting.</summary>
    public string? Command { get; private init; }

    /// <summary>QEMU's error class, such as "GenericError" or "CommandNotFound".</summary>
    public string? QemuClass { get; private init; }

    /// <summary>QEMU's error text, word for word.</summary>
    public string? QemuText { get; private init; }

    internal static QmpException Refused(string path, string command, string qemuClass, string text)
    {
        var unknown = qemuClass == "CommandNotFound";
        return new QmpException(QmpFailure.Refused, unknown ? ErrorCode.Incompatible : ErrorCode.Failed,
            unknown ? $"{path}: this QEMU has no command '{command}'" : $"{path}: QEMU refused '{command}': {text}",
            unknown ? "use a newer QEMU" : null)
        {
            Command = command, QemuClass = qemuClass, QemuText = text,
        };
    }

    internal static QmpException Stalled(string path, string command, TimeSpan deadline) =>
        new(QmpFailure.Stalled, ErrorCode.Failed, $"{path}: QEMU did not answer '{command}' within {deadline.TotalSeconds:0.###} s",
            "see whether the QEMU process is stopped or blocked on its storage")
        {
            Command = command, IsTransient = true,
        };

    internal static QmpException Ended(string path, string? command, Exception? inner = null) =>
        new(QmpFailure.Ended, ErrorCode.Failed,
            $"{path}: the monitor closed the connection{(command is null ? "" : $" while '{command}' was outstanding")}",
            "see whether the QEMU process is still alive", inner)
        {
            Command = command,
        };

    internal static QmpException Garbage(string path, string what) =>
        new(QmpFailure.Garbage, ErrorCode.Failed, $"{path}: the monitor sent {what}",
            "see that the socket belongs to a QEMU monitor in control mode");
}
