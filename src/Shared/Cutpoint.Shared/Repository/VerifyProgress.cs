namespace Cutpoint.Repository;

/// <summary>How far a verification is.</summary>
/// <param name="DoneBytes">Octets of packs that were checked.</param>
/// <param name="TotalBytes">Octets of packs that will be.</param>
public readonly record struct VerifyProgress(long DoneBytes, long TotalBytes);
