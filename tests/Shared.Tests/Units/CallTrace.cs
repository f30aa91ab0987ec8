using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Units;

/// <summary>What happened in a run over units, line by line as the original wrote it down, and a golden trace to compare it with.</summary>
internal sealed partial class CallTrace
{
    private static readonly Lazy<JsonDocument> Golden = new(() =>
        JsonDocument.Parse(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "Units", "vectors", "call-traces.json"))));

    public List<string> Lines { get; } = [];

    public static int ExpectedStatus(string name) => Golden.Value.RootElement.GetProperty(name).GetProperty("rc").GetInt32();

    /// <summary>The golden lines without what only a file or a C structure knows.</summary>
    public static IEnumerable<string> Expected(string name) =>
        from line in Golden.Value.RootElement.GetProperty(name).GetProperty("trace").EnumerateArray()
        let text = FormatFacts().Replace(line.GetString()!, "")
        where !OutsideOfUnits().IsMatch(text)
        select text;

    public void Add(string line) => Lines.Add(line);

    public void Progress(int percent) => Add($"progress {percent}");

    public void AssertEqual(string name) => Assert.Equal(Expected(name), Lines);

    public static string Pass(uint pass) => pass == 0 ? "0" : $"0x{pass.ToString("x", CultureInfo.InvariantCulture)}";

    [GeneratedRegex(" (hostbits|rev|hostos)=\\S+| ver=0x\\S+")]
    private static partial Regex FormatFacts();

    [GeneratedRegex("^(file exists|PutStruct|GetStruct|fieldcb)")]
    private static partial Regex OutsideOfUnits();
}

/// <summary>Takes state in like a stream that hands octets on when its block is full or the unit ends.</summary>
internal sealed class CountingSinks : IUnitSinks, IUnitSink
{
    private Action<long> _written = static _ => { };
    private long _buffered;

    public List<(uint Pass, double Percent)> Reports { get; } = [];

    public List<string> Sections { get; } = [];

    public ValueTask<IUnitSink> OpenAsync(UnitRegistration unit, uint pass, Action<long> written, CancellationToken cancellation)
    {
        _written = written;
        return ValueTask.FromResult<IUnitSink>(this);
    }

    public ValueTask CloseAsync(UnitRegistration unit, uint pass, bool succeeded)
    {
        Sections.Add($"{unit.Key}@{CallTrace.Pass(pass)}{(succeeded ? "" : "!")}");
        Flush();
        return ValueTask.CompletedTask;
    }

    public ValueTask ReportAsync(uint pass, double percent, CancellationToken cancellation)
    {
        Reports.Add((pass, percent));
        return ValueTask.CompletedTask;
    }

    public ValueTask WriteAsync(ReadOnlyMemory<byte> state, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        for (var left = state.Length; left > 0; left -= 4096)
        {
            _buffered += Math.Min(left, 4096);
            if (_buffered >= 4096) Flush();
        }
        return ValueTask.CompletedTask;
    }

    public ValueTask<PageChunk> RentAsync(CancellationToken cancellation) => throw new InvalidOperationException("no pages here");

    public ExtentPages Compare(int extent, ReadOnlySpan<byte> pages) => throw new InvalidOperationException("no pages here");

    public ValueTask EmitAsync(PageChunk chunk, CancellationToken cancellation) => throw new InvalidOperationException("no pages here");

    private void Flush()
    {
        _written(_buffered);
        _buffered = 0;
    }
}
