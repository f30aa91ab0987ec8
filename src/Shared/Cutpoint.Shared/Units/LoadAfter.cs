namespace Cutpoint.Units;

/// <summary>What becomes of a loaded guest: saved state contract, section B.1.</summary>
public enum LoadAfter
{
    /// <summary>It runs.</summary>
    Resume = 1,

    /// <summary>It runs here, and its source is destroyed.</summary>
    Teleport = 4,

    /// <summary>It is looked at; units nobody registered are skipped.</summary>
    Inspect = 5,
}
