using System.CommandLine;
using System.Globalization;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Repository;
using Cutpoint.Workers.Export;

namespace Cutpoint.Cli.Commands;

/// <summary>Says what changed between two checkpoints.</summary>
internal static class DiffCommand
{
    public static Command Create()
    {
        var before = Setting.Argument("BEFORE", "The first checkpoint: id or its beginning, name, or 'latest'", Value.Text);
        var after = Setting.Argument("AFTER", "The second checkpoint", Value.Text);
        var guest = Setting.Create<string?>("diff", "guest", "Compare this guest only", Value.Text, "NAME");
        var command = new Verb(
            "diff", "Show what changed between two checkpoints: pages by RAM block, device fields by name",
            "cutpoint diff before-upgrade latest\ncutpoint diff before-upgrade latest --guest db1 --json") { before, after, guest };
        command.SetAction(async (parsed, cancellation) =>
        {
            await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
            await using var left = await OpenAsync(repository, parsed.GetValue(before)!, cancellation);
            await using var right = await OpenAsync(repository, parsed.GetValue(after)!, cancellation);
            var result = await CompareAsync(left, right, parsed.GetValue(guest), cancellation);
            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(result, JsonOutput.Types.DiffResult);
            else Write(result, Console.Out);
        });
        return command;
    }

    private static async Task<CheckpointReader> OpenAsync(DirectoryRepository repository, string text, CancellationToken cancellation) =>
        await repository.OpenCheckpointAsync(await repository.ResolveAsync(text, cancellation), cancellation);

    private static async Task<DiffResult> CompareAsync(CheckpointReader left, CheckpointReader right, string? guest, CancellationToken cancellation)
    {
        var pairs = new List<(GuestReader, GuestReader)>();
        // Two checkpoints of one guest are compared whatever it was called: a restored one has another name.
        if (guest is null && left.Guests.Count == 1 && right.Guests.Count == 1) pairs.Add((left.Guests[0], right.Guests[0]));
        else if (guest is not null) pairs.Add((left.Guest(guest), right.Guest(guest)));
        else
        {
            foreach (var one in left.Guests)
            {
                if (right.Guests.FirstOrDefault(other => other.Manifest.Name == one.Manifest.Name) is { } other) pairs.Add((one, other));
            }
        }
        var guests = new List<GuestDifference>();
        foreach (var (one, other) in pairs)
        {
            guests.Add(new GuestDifference(
                one.Manifest.Name, other.Manifest.Name, await GuestComparison.CompareAsync(one, other, cancellation),
                await DeviceComparison.CompareAsync(one, other, cancellation)));
        }
        var names = pairs.Select(pair => pair.Item2).ToHashSet();
        var olds = pairs.Select(pair => pair.Item1).ToHashSet();
        return new DiffResult(
            left.Info.Id.ToString(), right.Info.Id.ToString(), guests,
            [.. left.Guests.Where(one => guest is null && !olds.Contains(one)).Select(one => one.Manifest.Name)],
            [.. right.Guests.Where(one => guest is null && !names.Contains(one)).Select(one => one.Manifest.Name)]);
    }

    private static void Write(DiffResult result, TextWriter output)
    {
        foreach (var name in result.OnlyBefore) output.WriteLine($"guest {name} is in {result.Before} only");
        foreach (var name in result.OnlyAfter) output.WriteLine($"guest {name} is in {result.After} only");
        foreach (var guest in result.Guests)
        {
            output.WriteLine($"guest {guest.Before}{(guest.Before == guest.After ? "" : $", then {guest.After}")}");
            var blocks = new Table("RAM BLOCK", ">SIZE", ">PAGES CHANGED", ">FILLED", ">ZEROED", ">OF ITS PAGES");
            foreach (var block in guest.Blocks)
            {
                var length = block.LengthAfter ?? block.LengthBefore ?? 0;
                var share = length == 0 ? 0 : 100.0 * block.Pages * Guests.Paging.PageSize / length;
                blocks.Add(
                    block.Name + (block.LengthBefore is null ? " (new)" : block.LengthAfter is null ? " (gone)" : ""), Quantity.Bytes(length), Quantity.Count(block.Changed),
                    Quantity.Count(block.Filled), Quantity.Count(block.Zeroed), string.Create(CultureInfo.InvariantCulture, $"{share:0.##} %"));
            }
            blocks.Write(output, "  ");
            if (guest.Devices.Count == 0) continue;
            output.WriteLine();
            var fields = new Table("DEVICE", "FIELD", "BEFORE", "AFTER");
            foreach (var device in guest.Devices)
            {
                var name = string.Create(CultureInfo.InvariantCulture, $"{device.Name}/{device.Instance}");
                if (device.Change == DeviceChange.Added) fields.Add(name, "", "", "(new)");
                if (device.Change == DeviceChange.Removed) fields.Add(name, "", "", "(gone)");
                foreach (var field in device.Fields) fields.Add(name, field.Path, field.Before ?? "", field.After ?? "");
            }
            fields.Write(output, "  ");
        }
    }
}

/// <summary>What diff prints.</summary>
internal sealed record DiffResult(
    string Before, string After, IReadOnlyList<GuestDifference> Guests, IReadOnlyList<string> OnlyBefore, IReadOnlyList<string> OnlyAfter);

/// <summary>What changed of one guest.</summary>
internal sealed record GuestDifference(string Before, string After, IReadOnlyList<BlockDifference> Blocks, IReadOnlyList<DeviceDifference> Devices);
