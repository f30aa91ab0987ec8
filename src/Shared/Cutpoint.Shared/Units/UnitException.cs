using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>A unit, or a run over units, failed; <see cref="Status"/> is the number the saved state contract gives that failure.</summary>
public sealed class UnitException : SnapshotException
{
    /// <summary>Creates an error.</summary>
    /// <param name="status">A negative status.</param>
    /// <param name="message">What was wrong and where, in one line.</param>
    /// <param name="advice">What the user can do about it.</param>
    /// <param name="inner">The cause.</param>
    public UnitException(SavedStateStatus status, string message, string? advice = null, Exception? inner = null)
        : base(CodeOf(status), message, advice, inner) => Status = status;

    /// <summary>The contract's number.</summary>
    public SavedStateStatus Status { get; }

    /// <summary>The number of any failure: its own, or the general ones for cancellation and everything else.</summary>
    public static SavedStateStatus StatusOf(Exception? fault) => fault switch
    {
        null => SavedStateStatus.Ok,
        UnitException unit => unit.Status,
        SavedStateException state => state.Status,
        OperationCanceledException => SavedStateStatus.Cancelled,
        _ => SavedStateStatus.GeneralFailure,
    };

    private static ErrorCode CodeOf(SavedStateStatus status) => status switch
    {
        SavedStateStatus.Cancelled => ErrorCode.Cancelled,
        SavedStateStatus.VoteForGivingUp or SavedStateStatus.TooManyPasses or SavedStateStatus.StateGrewTooBig => ErrorCode.NotConverged,
        SavedStateStatus.LowOnDiskSpace => ErrorCode.NoSpace,
        SavedStateStatus.InvalidParameter or SavedStateStatus.OutOfRange => ErrorCode.Usage,
        <= SavedStateStatus.LoadCpuidMismatch and >= SavedStateStatus.VirtualClockHz => ErrorCode.Incompatible,
        SavedStateStatus.UnsupportedUnitVersion or SavedStateStatus.UnitFormatChanged => ErrorCode.Incompatible,
        <= SavedStateStatus.Integrity and >= SavedStateStatus.IntegrityDirectoryMagic => ErrorCode.VerificationFailed,
        SavedStateStatus.LoadedTooMuch or SavedStateStatus.LoadedTooLittle => ErrorCode.VerificationFailed,
        _ => ErrorCode.Failed,
    };
}
