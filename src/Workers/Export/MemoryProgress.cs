namespace Cutpoint.Workers.Export;

/// <summary>How far the memory of a guest is.</summary>
/// <param name="Done">Octets done.</param>
/// <param name="Total">Octets in all.</param>
public readonly record struct MemoryProgress(long Done, long Total)
{
    /// <summary>Tells progress against a total.</summary>
    internal static IProgress<long>? Of(IProgress<MemoryProgress>? progress, long total) => progress is null ? null : new Against(progress, total);

    private sealed class Against(IProgress<MemoryProgress> progress, long total) : IProgress<long>
    {
        public void Report(long value) => progress.Report(new MemoryProgress(value, total));
    }
}
