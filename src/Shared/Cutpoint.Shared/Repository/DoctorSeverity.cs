namespace Cutpoint.Repository;

/// <summary>How much a finding of the doctor matters.</summary>
public enum DoctorSeverity
{
    /// <summary>Good to know.</summary>
    Note,

    /// <summary>Takes space or attention and can be cleaned up.</summary>
    Leftover,

    /// <summary>Something is wrong.</summary>
    Damage,
}
