using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Compression;
using Cutpoint.Workers.Export;

namespace Cutpoint.Cli.Commands;

/// <summary>Makes a checkpoint of a file of another program.</summary>
internal static class ImportCommand
{
    private const string Verb = "import";

    public static Command Create()
    {
        var formats = string.Join(" or a ", FileFormats.All.Where(format => format.CanImport).Select(format => format.Title));
        var file = Setting.Argument("FILE", $"A {formats}", Value.Text);
        var name = Setting.Create<string?>(Verb, "name", "A name for the checkpoint", Value.Text, "NAME");
        var guest = Setting.Create<string?>(Verb, "guest", "A name for the guest [default: the one in the file, or the file's name]", Value.Text, "NAME");
        var codec = Setting.Create(Verb, "codec", "Compression", Codec.Parse, "zstd[:LEVEL]|lz4|none", "zstd");
        var labels = Setting.CreateMany(Verb, "label", "A label; may be given several times", Value.Label, "KEY=VALUE");
        var command = new Verb(
            Verb, "Make a checkpoint of a file of guest state; it is checked whole before anything is listed",
            "cutpoint import guest.ber\ncutpoint import guest.qmig --name from-elsewhere") { file, name, guest, codec, labels };
        command.SetAction((parsed, cancellation) => RunAsync(
            parsed,
            new ImportOptions
            {
                Path = parsed.GetValue(file)!,
                Name = parsed.GetValue(name),
                Guest = parsed.GetValue(guest),
                Codec = parsed.GetValue(codec),
                Labels = Value.Labels(parsed.GetValue(labels)!),
            },
            cancellation));
        return command;
    }

    private static async Task RunAsync(ParseResult parsed, ImportOptions options, CancellationToken cancellation)
    {
        var json = parsed.GetValue(CommonOptions.Json);
        await using var repository = await RepositoryAccess.OpenOrCreateDefaultAsync(parsed, cancellation);
        ImportResult imported;
        using (var progress = new ByteProgress("imported", json, TimeProvider.System))
        {
            imported = await ImportJob.RunAsync(
                repository, options, new Progressing<MemoryProgress>(value => progress.Report(value.Done, value.Total)), cancellation);
        }
        var result = new ImportedFile(ListedCheckpoint.From(imported.Checkpoint), imported.Format, imported.Notes);
        if (json)
        {
            JsonOutput.Write(result, JsonOutput.Types.ImportedFile);
            return;
        }
        foreach (var note in result.Notes) Console.Out.WriteLine($"note: {note}");
        var guest = result.Checkpoint.Guests[0];
        Console.Out.WriteLine(
            $"checkpoint {result.Checkpoint.Id} of guest {guest.Name}: {Quantity.Bytes(guest.ContentBytes)} of {Quantity.Bytes(guest.LogicalBytes)} not zero, "
            + $"{Quantity.Bytes(guest.StoredBytes)} stored");
    }
}

/// <summary>What import prints.</summary>
internal sealed record ImportedFile(ListedCheckpoint Checkpoint, string Format, IReadOnlyList<string> Notes);
