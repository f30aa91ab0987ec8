namespace Cutpoint.Units;

/// <summary>How far a save has come.</summary>
internal enum SavePhase
{
    Created,
    LivePrepared,
    SavePrepared,
    SaveExecuted,
    Completed,
}
