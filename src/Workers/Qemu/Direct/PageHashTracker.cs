namespace Cutpoint.Workers.Qemu.Direct;

/// <summary>
/// Knows nothing, so it names every page, and the page hashes decide. Always right, needs no privilege; costs a look at every page in every pass.
/// </summary>
internal sealed class PageHashTracker : IDirtyTracker
{
    /// <summary>Octets one processor copies and compares in a second, until it is known: a cautious figure of a server's.</summary>
    private double _bytesPerSecond = 4e9;

    public string Name => "page hashes";

    public TimeSpan Floor(long dataBytes, int processors) => TimeSpan.FromSeconds(dataBytes / (_bytesPerSecond * processors));

    public void Observe(long octets, TimeSpan work) => _bytesPerSecond = octets / work.TotalSeconds;

    public void BeginPass()
    {
    }

    public void BeforeFirstRead(int first, int last)
    {
    }

    public void EndPass()
    {
    }

    public PageSet? Pending() => null;

    public ulong MayHaveChanged(int extent) => ulong.MaxValue;

    public void Dispose()
    {
    }
}
