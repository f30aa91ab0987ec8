namespace Cutpoint.Cli.Output;

/// <summary>A table of plain columns. A heading that begins with '&gt;' aligns its column to the right.</summary>
internal sealed class Table
{
    private readonly string[] _headings;
    private readonly bool[] _right;
    private readonly List<string[]> _rows = [];

    public Table(params string[] headings)
    {
        _right = [.. headings.Select(heading => heading.StartsWith('>'))];
        _headings = [.. headings.Select(heading => heading.TrimStart('>'))];
    }

    /// <summary>Adds a row; a cell for every heading.</summary>
    public void Add(params string[] cells)
    {
        if (cells.Length != _headings.Length) throw new ArgumentException($"{cells.Length} cells for {_headings.Length} columns", nameof(cells));
        _rows.Add(cells);
    }

    /// <summary>Writes the headings and the rows, each line behind an indent.</summary>
    public void Write(TextWriter output, string indent = "")
    {
        var widths = _headings.Select((heading, column) => Math.Max(heading.Length, _rows.Select(row => row[column].Length).DefaultIfEmpty().Max())).ToArray();
        foreach (var row in _rows.Prepend(_headings))
        {
            var cells = row.Select((cell, column) => _right[column] ? cell.PadLeft(widths[column]) : cell.PadRight(widths[column]));
            output.WriteLine(indent + string.Join("  ", cells).TrimEnd());
        }
    }
}
