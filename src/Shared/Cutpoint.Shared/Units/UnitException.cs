namespace Cutpoint.Units;

/// <summary>A unit, or a run over units, failed; <see cref="Status"/> is the number the saved state contract gives that failure.</summary>
public sealed class UnitException : SnapshotException
{
    /// <summary>Creates an error.</summary>
    /// <param name="status">A negative status.</param>
    /// <param name="message">What was wrong and where, in one line.</param>
    /// <param name="advice">What the user can do about it.</param>
    /// <param name="inner">The cause.</param>
    public UnitException(UnitStatus status, string message, string? advice = null, Exception? inner = null)
        : base(CodeOf(status), message, advice, inner) => Status = status;

    /// <summary>The contract's number.</summary>
    public UnitStatus Status { get; }

    /// <summary>The number of any failure: its own, or the general ones for cancellation and everything else.</summary>
    public static UnitStatus StatusOf(Exception? fault) => fault switch
    {
        null => UnitStatus.Ok,
        UnitException unit => unit.Status,
        OperationCanceledException => UnitStatus.Cancelled,
        _ => UnitStatus.GeneralFailure,
    };

    private static ErrorCode CodeOf(UnitStatus status) => status switch
    {
        UnitStatus.Cancelled => ErrorCode.Cancelled,
        UnitStatus.VoteForGivingUp or UnitStatus.TooManyPasses or UnitStatus.StateGrewTooBig => ErrorCode.NotConverged,
        UnitStatus.LowOnDiskSpace => ErrorCode.NoSpace,
        UnitStatus.InvalidParameter or UnitStatus.OutOfRange => ErrorCode.Usage,
        <= UnitStatus.LoadCpuidMismatch and >= UnitStatus.VirtualClockHz => ErrorCode.Incompatible,
        UnitStatus.UnsupportedUnitVersion or UnitStatus.UnitFormatChanged => ErrorCode.Incompatible,
        <= UnitStatus.Integrity and >= UnitStatus.IntegrityDirectoryMagic => ErrorCode.VerificationFailed,
        UnitStatus.LoadedTooMuch or UnitStatus.LoadedTooLittle => ErrorCode.VerificationFailed,
        _ => ErrorCode.Failed,
    };
}
