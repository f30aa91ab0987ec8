namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>What a look at a part of a block tells about all of it.</summary>
/// <param name="Dirty">Pages that differ, of those looked at.</param>
/// <param name="Looked">Pages looked at.</param>
/// <param name="Pages">Pages of the extents that are no hole.</param>
internal readonly record struct DirtySample(long Dirty, long Looked, long Pages)
{
    /// <summary>
    /// Pages of the block expected to differ. One page in the sample more than was seen is assumed: nothing found does not mean nothing there.
    /// </summary>
    public long Expected => Looked == 0 ? 0 : Looked >= Pages ? Dirty : Math.Min(Pages, (long)Math.Ceiling((Dirty + 1) * (double)Pages / Looked));
}
