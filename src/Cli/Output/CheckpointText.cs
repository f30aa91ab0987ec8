using System.Globalization;
using Cutpoint.Jobs;
using Cutpoint.Units;

namespace Cutpoint.Cli.Output;

/// <summary>A checkpoint in words and tables.</summary>
internal static class CheckpointText
{
    private static readonly (string Unit, Func<double, string> Format)[] Formats =
    [
        ("_bytes_per_second", Quantity.Rate),
        ("_bytes", Quantity.Bytes),
        ("_seconds", seconds => Math.Abs(seconds) < 1e9 ? Quantity.Time(TimeSpan.FromSeconds(seconds)) : "for ever"),
    ];

    public static void Write(ShownCheckpoint checkpoint, TextWriter output)
    {
        output.WriteLine($"checkpoint {checkpoint.Id}{(checkpoint.Name is null ? "" : $" '{checkpoint.Name}'")}");
        Fact(output, "taken", Quantity.When(checkpoint.CreatedAt));
        if (checkpoint.Labels.Count > 0) Fact(output, "labels", string.Join(' ', checkpoint.Labels.Select(label => $"{label.Key}={label.Value}")));
        Fact(output, "root digest", checkpoint.Root);
        if (checkpoint.Job is { } job && checkpoint.IsGroup)
        {
            Fact(output, "cut", $"{checkpoint.Guests.Count} guests, skew {Quantity.Time(job.Skew)}{(job.Attempts > 1 ? $", true at attempt {job.Attempts}" : "")}");
            foreach (var missing in job.Missing) Fact(output, "missing", Describe(missing));
        }
        foreach (var guest in checkpoint.Guests) Write(guest, output);
    }

    /// <summary>What take says of a checkpoint it has made: a line for each guest.</summary>
    public static void WriteSummary(ShownCheckpoint checkpoint, TimeSpan wall, TextWriter output)
    {
        output.WriteLine($"checkpoint {checkpoint.Id}{(checkpoint.Name is null ? "" : $" '{checkpoint.Name}'")} in {Quantity.Time(wall)}");
        foreach (var guest in checkpoint.Guests)
        {
            var pause = guest.Cut?.Pause is { } measured ? $"paused {Quantity.Time(measured)} (predicted {Quantity.Time(guest.Cut.PredictedPause)})"
                : guest.Cut is { WasRunning: true } ? "left stopped" : "was paused before";
            output.WriteLine($"  {guest.Name}: {guest.Transport}/{guest.Strategy}, {guest.Passes.Count} passes, {pause}, "
                + $"{Quantity.Bytes(guest.ContentBytes)} of {Quantity.Bytes(guest.LogicalBytes)} not zero, {Quantity.Bytes(guest.NewBytes)} of it new, "
                + $"{Quantity.Bytes(guest.StoredBytes)} stored");
            if (guest.Base is { LostSections: > 0 } start) output.WriteLine($"    base {Text(start)}");
        }
        if (checkpoint.Job is not { } job || !checkpoint.IsGroup) return;
        output.WriteLine($"  one cut of {checkpoint.Guests.Count} guests, skew {Quantity.Time(job.Skew)}");
        foreach (var missing in job.Missing) output.WriteLine($"  missing: {Describe(missing)}");
    }

    private static string Describe(MissingGuest missing) =>
        $"{missing.Name}, {missing.Uri}: failed in phase {missing.Phase.ToString().ToLowerInvariant()}: {missing.Error.Message}";

    private static void Write(ShownGuest guest, TextWriter output)
    {
        var what = guest.Description;
        output.WriteLine();
        output.WriteLine($"guest {guest.Name}, {what.Uri}");
        Fact(output, "machine", string.Join(", ", new[]
        {
            $"{what.Driver} {what.Version}".TrimEnd(), what.MachineType, what.CpuModel, what.CpuCount > 0 ? $"{what.CpuCount} CPU" : null, what.Accelerator,
        }.Where(part => !string.IsNullOrEmpty(part))));
        Fact(output, "memory", $"{Quantity.Bytes(guest.LogicalBytes)}: {Quantity.Bytes(guest.NewBytes)} new, {Quantity.Bytes(guest.ReusedBytes)} deduplicated, "
            + $"{Quantity.Bytes(guest.ZeroBytes)} zero");
        Fact(output, "stored", Quantity.Bytes(guest.StoredBytes));
        if (guest.Base is { } start) Fact(output, "base", Text(start));
        Fact(output, "root digest", guest.Root);
        if (guest.Transport is null) Fact(output, "capture", "none, it was imported");
        else Fact(output, "capture", $"{guest.Transport}, {guest.Strategy}: {guest.Reason}");
        if (guest.Cut is { } cut) Write(cut, output);
        foreach (var disk in what.DiskSnapshots)
        {
            Fact(output, "disk", $"{disk.Device}, {Quantity.Bytes(disk.Octets)}: frozen in {disk.Image} ({disk.Format}), "
                + $"{disk.Chain.Count} {(disk.Chain.Count == 1 ? "image" : "images")} deep; written since in {disk.Overlay}");
        }
        foreach (var disk in what.Disks) Fact(output, "disk", $"{disk}, not frozen");
        if (guest.Passes.Count > 0)
        {
            output.WriteLine();
            WritePasses(guest.Passes, output);
            WriteVotes(guest.Passes, output);
        }
        output.WriteLine();
        var units = new Table("UNIT", ">VERSION", ">SIZE");
        foreach (var block in what.Blocks) units.Add(block.Name, "-", Quantity.Bytes(block.Length));
        foreach (var device in guest.Devices)
            units.Add($"{device.Name}/{device.Instance}", device.Version.ToString(CultureInfo.InvariantCulture), Quantity.Bytes(device.Length));
        units.Write(output, "  ");
    }

    private static string Text(BaseReport start)
    {
        if (start.Checkpoint is null) return $"none: {start.Reason}";
        var lost = start.LostSections == 0 ? "" : $"; {Quantity.Count(start.LostSections)} sections of it were lost or damaged, their pages were stored again";
        return $"guest {start.Guest} of {start.Checkpoint}, {start.Reason}: {Quantity.Count(start.Pages)} pages known{lost}";
    }

    private static void Write(CutReport cut, TextWriter output)
    {
        var pause = cut.Pause is { } measured ? $"{Quantity.Time(measured)} measured" : cut.WasRunning ? "left stopped" : "none, the guest was paused before";
        Fact(output, "pause", $"{pause}, {Quantity.Time(cut.PredictedPause)} predicted, floor {Quantity.Time(cut.PauseFloor)}");
        Fact(output, "of it", $"stopping {Quantity.Time(cut.Stopping)}, final pass {Quantity.Time(cut.FinalPass)}, holding {Quantity.Time(cut.Holding)}, "
            + $"thawing {Quantity.Time(cut.Thawing)}{(cut.OverflowBytes > 0 ? $"; {Quantity.Bytes(cut.OverflowBytes)} waited for the sink" : "")}");
    }

    private static void WritePasses(IReadOnlyList<PassReport> passes, TextWriter output)
    {
        var table = new Table("PASS", ">TIME", ">PAGES READ", ">CHANGED", ">ZEROED", ">STORED", ">READ RATE", ">SINK RATE", ">PREDICTED PAUSE");
        foreach (var pass in passes)
        {
            table.Add(
                pass.IsFinal ? "final" : pass.IsAligning ? "aligning" : pass.Pass.ToString(CultureInfo.InvariantCulture), Quantity.Time(pass.Duration), Quantity.Count(pass.PagesRead),
                Quantity.Count(pass.PagesChanged), Quantity.Count(pass.PagesZeroed), Quantity.Bytes(pass.BytesStored), Quantity.Rate(pass.ReadBytesPerSecond),
                Quantity.Rate(pass.SinkBytesPerSecond), Quantity.Time(pass.PredictedPause));
        }
        table.Write(output, "  ");
    }

    private static void WriteVotes(IReadOnlyList<PassReport> passes, TextWriter output)
    {
        var table = new Table("AFTER PASS", "UNIT", "VOTE", ">PREDICTED PAUSE", "REASON");
        var any = false;
        foreach (var pass in passes)
        {
            foreach (var vote in pass.Votes)
            {
                any = true;
                var numbers = string.Join(", ", vote.Numbers.Select(number => Number(number.Key, number.Value)));
                table.Add(
                    pass.Pass.ToString(CultureInfo.InvariantCulture), vote.Unit.ToString(), Name(vote.Decision), Quantity.Time(vote.PredictedPause),
                    string.Join("; ", new[] { vote.Reason, numbers }.Where(part => !string.IsNullOrEmpty(part))));
            }
        }
        if (!any) return;
        output.WriteLine();
        table.Write(output, "  ");
    }

    private static string Name(VoteDecision decision) => decision switch
    {
        VoteDecision.AnotherPass => "another pass",
        VoteDecision.DoneDontCallAgain => "done, don't call again",
        VoteDecision.GiveUp => "give up",
        _ => "done",
    };

    /// <summary>The unit stands at the end of a number's name.</summary>
    private static string Number(string name, double value)
    {
        foreach (var (unit, format) in Formats)
        {
            if (name.EndsWith(unit, StringComparison.Ordinal)) return $"{name[..^unit.Length].Replace('_', ' ')} {format(value)}";
        }
        return $"{name.Replace('_', ' ')} {value.ToString("#,0.##", CultureInfo.InvariantCulture)}";
    }

    private static void Fact(TextWriter output, string name, string value) => output.WriteLine($"  {name,-12} {value}");
}
