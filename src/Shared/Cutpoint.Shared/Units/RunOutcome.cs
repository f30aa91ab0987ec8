using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>How a save or load ended.</summary>
/// <param name="Status">Its number.</param>
/// <param name="Fault">The first failure, or null.</param>
public sealed record RunOutcome(SavedStateStatus Status, Exception? Fault)
{
    /// <summary>Throws the failure, if there was one.</summary>
    public void ThrowIfFailed()
    {
        if (Fault is not null) System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(Fault);
    }
}
