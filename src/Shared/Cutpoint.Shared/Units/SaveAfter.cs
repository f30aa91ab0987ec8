namespace Cutpoint.Units;

/// <summary>What becomes of the guest after a save: saved state contract, section B.1.</summary>
public enum SaveAfter
{
    /// <summary>It is destroyed.</summary>
    Destroy = 2,

    /// <summary>It runs on.</summary>
    Continue = 3,

    /// <summary>It runs on elsewhere.</summary>
    Teleport = 4,
}
