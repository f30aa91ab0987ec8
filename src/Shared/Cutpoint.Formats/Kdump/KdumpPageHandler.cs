namespace Cutpoint.Formats.Kdump;

/// <summary>Takes a page of a kdump file.</summary>
/// <param name="frame">Number of the page in guest-physical memory.</param>
/// <param name="page">Its octets; valid during the call only.</param>
public delegate void KdumpPageHandler(ulong frame, ReadOnlySpan<byte> page);
