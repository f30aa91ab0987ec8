using System.Globalization;
using BenchmarkDotNet.Columns;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;

namespace Cutpoint.Benchmarks.Formats;

/// <summary>Adds a column with the rate of benchmarks that handle the same number of octets in each operation.</summary>
/// <param name="octets">Octets of one operation.</param>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ThroughputAttribute(long octets) : Attribute, IConfigSource
{
    /// <summary>Octets of one operation.</summary>
    public long Octets { get; } = octets;

    /// <inheritdoc/>
    public IConfig Config { get; } = ManualConfig.CreateEmpty().AddColumn(new Column(octets));

    private sealed class Column(long octets) : IColumn
    {
        public string Id => nameof(ThroughputAttribute);

        public string ColumnName => "GB/s";

        public string Legend => "10^9 octets of memory per second of one core";

        public bool AlwaysShow => true;

        public ColumnCategory Category => ColumnCategory.Custom;

        public int PriorityInCategory => 0;

        public bool IsNumeric => true;

        public UnitType UnitType => UnitType.Dimensionless;

        public bool IsAvailable(Summary summary) => true;

        public bool IsDefault(Summary summary, BenchmarkCase benchmarkCase) => false;

        public string GetValue(Summary summary, BenchmarkCase benchmarkCase) => GetValue(summary, benchmarkCase, SummaryStyle.Default);

        // Octets per nanosecond.
        public string GetValue(Summary summary, BenchmarkCase benchmarkCase, SummaryStyle style) =>
            summary[benchmarkCase]?.ResultStatistics is { } times ? (octets / times.Mean).ToString("F2", CultureInfo.InvariantCulture) : "?";
    }
}
