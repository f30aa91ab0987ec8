namespace Cutpoint.Repository;

/// <summary>What is stored of a guest whose checkpoint is still being made: the pages of its base, or of sections made durable before an interruption.</summary>
/// <param name="Pages">Pages whose hashes are known.</param>
/// <param name="LostSections">Sections that are missing or damaged; their pages count as never stored.</param>
public readonly record struct KnownPages(long Pages, int LostSections);
