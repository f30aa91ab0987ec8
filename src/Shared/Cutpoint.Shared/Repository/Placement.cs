using Cutpoint.Guests;

namespace Cutpoint.Repository;

/// <summary>
/// Where the pages of one chunk are: what a section alone does not tell, since equal sections are stored once whoever's pages they hold. Kept in the packs of
/// a job that can be resumed, and of use to nobody else.
/// </summary>
/// <param name="Guest">The guest's name in the checkpoint.</param>
/// <param name="Block">Name of the RAM block.</param>
/// <param name="BlockLength">Its octets: a block that has another length now is another block.</param>
/// <param name="Section">The section with the pages present; default when there are none.</param>
/// <param name="Extents">The extents of the chunk, in the order of the section.</param>
internal sealed record Placement(string Guest, string Block, long BlockLength, Digest Section, ExtentPages[] Extents);
