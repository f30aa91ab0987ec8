namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>The target of a teleportation refuses a command, or could not do it.</summary>
public sealed class TeleportRefusedException : SnapshotException
{
    internal TeleportRefusedException(SavedStateStatus status, string message)
        : base(
            status == SavedStateStatus.AuthenticationFailure ? ErrorCode.NotAuthorised : ErrorCode.Failed,
            $"the target refuses: {(message.Length == 0 ? SavedStateStatusNames.NameOf(status) : message)} ({(int)status})",
            status == SavedStateStatus.AuthenticationFailure ? "give the password the target was started with" : "look at the target's own messages") => Status = status;

    /// <summary>The number the target gave.</summary>
    public SavedStateStatus Status { get; }
}
