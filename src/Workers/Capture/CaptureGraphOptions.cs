using Cutpoint.Guests;

namespace Cutpoint.Workers.Capture;

/// <summary>Sizes of a capture graph. All memory it holds for guest pages follows from them.</summary>
internal sealed record CaptureGraphOptions
{
    /// <summary>
    /// Chunks of 4 MiB for live passes: for each processor one, be it that it is read or encoded, and two that wait. All of them come into use, and the first
    /// touch of one costs as much as a third of its compression, more where the host of this host has to find the memory first.
    /// </summary>
    public int Chunks { get; init; } = Environment.ProcessorCount + 2;

    /// <summary>Chunks of 4 MiB that take the pages of the final pass, so that a stopped guest waits for nobody.</summary>
    public int CutChunks { get; init; } = 16;

    /// <summary>Sections encoded at a time or waiting to be appended.</summary>
    public int Sections { get; init; } = Environment.ProcessorCount + 1;

    /// <summary>The most octets the state of a unit without pages may have.</summary>
    public int MaxStateLength { get; init; } = 64 << 20;

    /// <summary>Directory of scratch files.</summary>
    public string ScratchDirectory { get; init; } = Path.GetTempPath();

    /// <summary>The sizes for a guest's share of the budget: half goes to the cut buffer, as far as live passes leave it.</summary>
    public static CaptureGraphOptions For(CaptureOptions options)
    {
        var all = (int)Math.Clamp(options.Budget / options.GroupSize / Paging.SectionSize, 6, 4096);
        var processors = Math.Clamp(Environment.ProcessorCount, 1, Math.Max(1, (all - 4) / 4));
        var sizes = new CaptureGraphOptions
        {
            Chunks = processors + 2,
            Sections = processors + 1,
            ScratchDirectory = options.ScratchDirectory ?? Path.GetTempPath(),
        };
        return sizes with { CutChunks = Math.Max(1, all - sizes.Chunks - sizes.Sections) };
    }
}
