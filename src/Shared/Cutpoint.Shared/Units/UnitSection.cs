namespace Cutpoint.Units;

/// <summary>What one unit wrote in one execution.</summary>
/// <param name="Key">The unit.</param>
/// <param name="Version">Version of its data when it was saved.</param>
/// <param name="Pass">The pass.</param>
/// <param name="Source">Its state.</param>
public sealed record UnitSection(UnitKey Key, uint Version, uint Pass, IUnitSource Source);
