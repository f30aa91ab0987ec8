namespace Cutpoint.Repository;

/// <summary>How garbage is collected.</summary>
public sealed record GcOptions
{
    /// <summary>True to say only what would be done.</summary>
    public bool IsDryRun { get; init; }

    /// <summary>
    /// Packs of which checkpoints need less than this share are rewritten; 0 rewrites none. Half: at most as much is read and written as is freed.
    /// </summary>
    public double CompactBelow { get; init; } = 0.5;

    /// <summary>Told after each step that a crash may follow.</summary>
    internal Action<string> Step { get; init; } = static _ => { };
}
