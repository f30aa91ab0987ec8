using Cutpoint.Formats.Kdump;

namespace Cutpoint.Workers.Export;

/// <summary>The formats this program writes.</summary>
public static class ExportFormats
{
    /// <summary>Every format.</summary>
    public static IReadOnlyList<ExportFormat> All { get; } =
    [
        new BerFormat(), new SavFormat(), new QemuStreamFormat(), new QemuMappedFormat(), new RawFormat(), new ElfFormat(), new KdumpFormat(KdumpCompression.Zlib),
        new KdumpFormat(KdumpCompression.Lzo), new KdumpFormat(KdumpCompression.Snappy), new KdumpFormat(KdumpCompression.Zstd),
    ];

    /// <summary>Finds a format by its name.</summary>
    /// <exception cref="SnapshotException">There is none (<see cref="ErrorCode.Usage"/>).</exception>
    public static ExportFormat Find(string name) =>
        All.FirstOrDefault(format => format.Name == name) ?? throw new SnapshotException(
            ErrorCode.Usage, $"'{name}' is not a format of export", $"it is one of: {string.Join(", ", All.Select(format => format.Name))}") { IsPreflight = true };
}
