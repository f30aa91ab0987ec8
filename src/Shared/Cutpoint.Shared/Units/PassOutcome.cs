namespace Cutpoint.Units;

/// <summary>What the units said after a pass.</summary>
/// <param name="Pass">The pass.</param>
/// <param name="Verdict">What the votes come to.</param>
/// <param name="Votes">Every vote of the pass, in list order.</param>
/// <param name="Reason">Why it is given up, or null.</param>
public sealed record PassOutcome(uint Pass, PassVerdict Verdict, IReadOnlyList<Vote> Votes, UnitException? Reason = null);
