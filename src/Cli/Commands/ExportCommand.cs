using System.CommandLine;
using System.Globalization;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Workers.Export;

namespace Cutpoint.Cli.Commands;

/// <summary>Writes a stored guest as a file of another program.</summary>
internal static class ExportCommand
{
    public static Command Create()
    {
        var names = ExportFormats.All.Select(format => format.Name).ToArray();
        var id = CommonOptions.Checkpoint();
        var guest = new Option<string?>("--guest") { Description = "The guest, when the checkpoint has several", HelpName = "NAME" };
        var format = new Option<string>("--format")
        {
            Description = string.Join("; ", ExportFormats.All.Select(one => $"'{one.Name}': {one.Title}")),
            HelpName = string.Join('|', names),
            Required = true,
        };
        format.CompletionSources.Add(names);
        var output = new Option<string>("--output", "-o") { Description = "The file, or - for standard output [default: -]", HelpName = "FILE" };
        var begin = Setting.Create<ulong?>("export", "begin", "First guest-physical address, for formats that take a range", Address, "ADDRESS");
        var length = Setting.Create<ulong?>("export", "length", "Octets from there on", Address, "OCTETS");
        var paging = Setting.CreateSwitch("export", "paging", "Show memory at the guest's virtual addresses, for elf: gdb finds symbols by them");
        var plain = Setting.CreateSwitch("export", "plain", "Write kdump as a plain file, not as the flattened one that pipes need");
        var command = new Verb(
            "export", "Write a stored guest as a file of another program",
            """
            cutpoint export latest --format ber -o guest.ber
            cutpoint export latest --format qemu | qemu-system-x86_64 ... -incoming fd:0
            cutpoint export latest --format kdump-zlib -o guest.kdump && crash vmlinux guest.kdump
            cutpoint export latest --format elf --paging -o guest.elf && gdb vmlinux guest.elf
            cutpoint export latest --format raw --begin 0x100000 --length 0x1000 -o page
            """) { id, guest, format, output, begin, length, paging, plain };
        command.SetAction((parsed, cancellation) => RunAsync(
            parsed,
            new ExportOptions
            {
                Checkpoint = parsed.GetValue(id)!,
                Guest = parsed.GetValue(guest),
                Format = parsed.GetValue(format)!,
                Output = parsed.GetValue(output) ?? ExportOptions.StandardOutput,
                Begin = parsed.GetValue(begin),
                Length = parsed.GetValue(length),
                Paging = parsed.GetValue(paging),
                Plain = parsed.GetValue(plain),
            },
            cancellation));
        return command;
    }

    private static async Task RunAsync(ParseResult parsed, ExportOptions options, CancellationToken cancellation)
    {
        var piped = options.Output == ExportOptions.StandardOutput;
        if (piped && !Console.IsOutputRedirected)
            throw new SnapshotException(ErrorCode.Usage, "a guest's memory is nothing for a terminal", "give -o FILE, or pipe it into a program") { IsPreflight = true };
        var json = parsed.GetValue(CommonOptions.Json);
        await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
        ExportResult result;
        using (var progress = new ByteProgress("exported", json, TimeProvider.System))
        {
            result = await ExportJob.RunAsync(
                repository, options, new Progressing<MemoryProgress>(value => progress.Report(value.Done, value.Total)), cancellation);
        }
        foreach (var note in result.Notes) await Console.Error.WriteLineAsync($"note: {note}");
        if (piped) return;
        if (json) JsonOutput.Write(result, JsonOutput.Types.ExportResult);
        else Console.Out.WriteLine($"guest {result.Guest} as {result.Format} in {options.Output}, {Quantity.Bytes(result.Octets)}");
    }

    private static ulong? Address(string text)
    {
        var isHexadecimal = text.StartsWith("0x", StringComparison.OrdinalIgnoreCase);
        return ulong.TryParse(isHexadecimal ? text.AsSpan(2) : text, isHexadecimal ? NumberStyles.AllowHexSpecifier : NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new SnapshotException(ErrorCode.Usage, $"'{text}' is not a number", "write 4096 or 0x1000") { IsPreflight = true };
    }
}
