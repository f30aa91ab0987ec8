namespace Cutpoint.Workers.Export;

/// <summary>What to export, and whereto.</summary>
public sealed record ExportOptions
{
    /// <summary>The output that stands for standard output.</summary>
    public const string StandardOutput = "-";

    /// <summary>The checkpoint: an id or its beginning, a name, or "latest".</summary>
    public required string Checkpoint { get; init; }

    /// <summary>The guest; null for the only one of the checkpoint.</summary>
    public string? Guest { get; init; }

    /// <summary>Name of the format, one of <see cref="ExportFormats.All"/>.</summary>
    public required string Format { get; init; }

    /// <summary>
    /// Path of the file, or <see cref="StandardOutput"/>. A regular file appears under its name only when it is complete; one that is there is replaced.
    /// </summary>
    public required string Output { get; init; }

    /// <summary>First guest-physical address, for formats that take a range. A multiple of the page size.</summary>
    public ulong? Begin { get; init; }

    /// <summary>Octets from <see cref="Begin"/> on, for formats that take a range. A multiple of the page size.</summary>
    public ulong? Length { get; init; }

    /// <summary>Show memory at the virtual addresses of the guest, for formats that can.</summary>
    public bool Paging { get; init; }

    /// <summary>Write the form for files instead of the one for pipes, for formats that have both.</summary>
    public bool Plain { get; init; }
}
