namespace Cutpoint.Workers.Capture;

/// <summary>What went through a capture graph so far.</summary>
/// <param name="PagesRead">Pages compared or classified.</param>
/// <param name="PagesChanged">Pages that were stored.</param>
/// <param name="PagesZeroed">Pages that had become zero.</param>
/// <param name="BytesStored">Octets the consumer took, after compression.</param>
/// <param name="OverflowBytes">Octets that found no room in the cut buffer while the guest was stopped.</param>
internal readonly record struct CaptureCounters(long PagesRead, long PagesChanged, long PagesZeroed, long BytesStored, long OverflowBytes)
{
    public static CaptureCounters operator -(CaptureCounters left, CaptureCounters right) => new(
        left.PagesRead - right.PagesRead,
        left.PagesChanged - right.PagesChanged,
        left.PagesZeroed - right.PagesZeroed,
        left.BytesStored - right.BytesStored,
        left.OverflowBytes - right.OverflowBytes);
}
