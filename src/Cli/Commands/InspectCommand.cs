using System.CommandLine;
using System.Globalization;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Workers.Export;

namespace Cutpoint.Cli.Commands;

/// <summary>Explains a file of guest state.</summary>
internal static class InspectCommand
{
    private const int PageSize = 4096;

    public static Command Create()
    {
        var file = Setting.Argument("FILE", $"A file of guest state: {string.Join(", ", FileFormats.All.Select(format => format.Title))}", Value.Text);
        var fields = new Option<bool>("--fields") { Description = "Print every field of every unit, with type and value" };
        var unit = new Option<string?>("--unit") { Description = "Print the fields of the units of this name only", HelpName = "NAME" };
        var command = new Verb(
            "inspect", "Explain a file of guest state: machine, RAM blocks, units with versions and typed fields; compares every checksum it has",
            "cutpoint inspect guest.ber\ncutpoint inspect guest.ber --unit cpu\ncutpoint inspect guest.kdump --unit CORE\ncutpoint inspect guest.qmig --json | jq '.units[].name'") { file, fields, unit };
        command.SetAction(async (parsed, cancellation) =>
        {
            var inspected = await FileFormats.InspectAsync(Path.GetFullPath(parsed.GetValue(file)!), cancellation);
            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(inspected, JsonOutput.Types.FileInspection);
            else Write(inspected, parsed.GetValue(unit), parsed.GetValue(fields), Console.Out);
        });
        return command;
    }

    private static void Write(FileInspection file, string? unit, bool fields, TextWriter output)
    {
        var units = file.Units.Where(one => unit is null || one.Name == unit).ToList();
        if (unit is not null && units.Count == 0)
        {
            throw new SnapshotException(ErrorCode.NotFound, $"the file has no unit '{unit}'", "leave --unit away to see their names") { IsPreflight = true };
        }
        if (unit is null) WriteOverview(file, output);
        if (!fields && unit is null) return;
        foreach (var one in units)
        {
            output.WriteLine();
            output.WriteLine($"{one.Name}/{one.Instance} version {one.Version}, {Quantity.Bytes(one.Length)}");
            var table = new Table(">OFFSET", "FIELD", "TYPE", "VALUE");
            foreach (var field in one.Fields)
                table.Add(field.Offset?.ToString(CultureInfo.InvariantCulture) ?? "", field.Name, field.Type, field.Value);
            if (one.Fields.Count > 0) table.Write(output, "  ");
        }
    }

    private static void WriteOverview(FileInspection file, TextWriter output)
    {
        output.WriteLine($"{file.Title}, {Quantity.Bytes(file.Length)}");
        foreach (var fact in file.Facts) output.WriteLine($"  {fact.Name,-14} {fact.Value}");
        foreach (var note in file.Notes) output.WriteLine($"  note: {note}");
        output.WriteLine();
        var blocks = new Table("RAM BLOCK", ">SIZE", ">NOT ZERO", ">ZERO", ">NOT IN FILE", ">SENT AGAIN");
        foreach (var block in file.Blocks)
        {
            blocks.Add(
                block.Name, Quantity.Bytes(block.Length), Quantity.Bytes(block.DataPages * PageSize), Quantity.Bytes(block.ZeroPages * PageSize),
                Quantity.Bytes(block.AbsentPages * PageSize), Quantity.Bytes(block.RepeatedPages * PageSize));
        }
        blocks.Write(output, "  ");
        output.WriteLine();
        var table = new Table("UNIT", ">VERSION", ">SIZE", ">FIELDS");
        foreach (var unit in file.Units)
        {
            table.Add(
                $"{unit.Name}/{unit.Instance}", unit.Version.ToString(CultureInfo.InvariantCulture), Quantity.Bytes(unit.Length), Quantity.Count(unit.Fields.Count));
        }
        table.Write(output, "  ");
    }
}
