namespace Cutpoint.Guests;

/// <summary>An instant of a guest's stop or thaw, by the clock of the guest's host, as the machine itself reports it.</summary>
/// <param name="At">
/// For a stop: the guest is known to execute nothing from here on. For a thaw: the guest is known to have executed nothing until here.
/// </param>
public readonly record struct CutStamp(DateTimeOffset At);
