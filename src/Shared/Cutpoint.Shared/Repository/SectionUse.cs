namespace Cutpoint.Repository;

/// <summary>Uses a decoded section.</summary>
/// <param name="head">Its head.</param>
/// <param name="content">Its content, valid during the call only.</param>
internal delegate void SectionUse(in SectionHead head, ReadOnlySpan<byte> content);
