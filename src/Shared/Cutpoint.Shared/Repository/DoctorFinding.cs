namespace Cutpoint.Repository;

/// <summary>One thing the doctor found.</summary>
/// <param name="Severity">How much it matters.</param>
/// <param name="Message">What and where, in one line.</param>
/// <param name="Advice">What to do, in one line, or null.</param>
public sealed record DoctorFinding(DoctorSeverity Severity, string Message, string? Advice);
