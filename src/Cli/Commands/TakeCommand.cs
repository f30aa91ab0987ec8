using System.CommandLine;
using System.Globalization;
using System.Security.Cryptography;
using Cutpoint.Cli.Jobs;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Compression;
using Cutpoint.Coordinator.Jobs;
using Cutpoint.Durability;
using Cutpoint.Guests;
using Cutpoint.Jobs;
using Cutpoint.Nodes;
using Cutpoint.Repository;
using Cutpoint.Workers.Qemu;
using Cutpoint.Workers.Qemu.Guard;
using Cutpoint.Workers.Reference;

namespace Cutpoint.Cli.Commands;

/// <summary>Takes a checkpoint of running guests.</summary>
internal static class TakeCommand
{
    private const string Verb = "take";

    public static Command Create()
    {
        var defaults = new CaptureOptions();
        var guests = Setting.Arguments("GUEST-URI", "The guest, such as qemu:/run/vm1.qmp, or //NODE/GUEST-URI where another node serves it; several are taken at one cut", GuestAddress.Parse);
        var name = Setting.Create<string?>(Verb, "name", "A name for the checkpoint", Value.Text, "NAME");
        var start = Setting.Create(
            Verb, "base", "Store only what differs from this checkpoint: 'latest' is the guest's own latest one, or the one it was restored from", Value.Text,
            "ID|latest|none", JobPlan.LatestBase);
        var transport = Setting.Create(
            Verb, "transport", "How RAM is read: 'direct' from the guest's shared RAM file, 'stream' from its migration stream", Value.Choice<CaptureTransport>,
            "auto|direct|stream", "auto");
        var strategy = Setting.Create(
            Verb, "strategy", "'precopy' reads while the guest runs, 'background' lets QEMU copy on write, 'stop' reads the stopped guest", Value.Choice<CaptureStrategy>,
            "auto|precopy|background|stop", "auto");
        var tracking = Setting.Create(
            Verb, "tracking", "How changed pages are found: 'hashes' looks at every page in the pause; by itself the kernel tells them where it can",
            Value.Choice<DirtyTracking>, "auto|hashes", "auto");
        var downtime = Setting.Create<TimeSpan?>(
            Verb, "downtime", $"The longest pause allowed; the take gives up rather than exceed it [default: aims at {Quantity.Time(CaptureOptions.DefaultDowntime)}]",
            text => Value.Time(text), "TIME");
        var passes = Setting.Create(
            Verb, "max-passes", "Live passes before the cut", Value.Positive, "N", defaults.MaxPasses.ToString(CultureInfo.InvariantCulture));
        var limit = Setting.Create(Verb, "freeze-limit", "The longest the guest may stand still whatever happens", Value.Time, "TIME", "5s");
        var after = Setting.Create(Verb, "after", "What becomes of the guest after the cut", Value.Choice<AfterCut>, "continue|stop", "continue");
        var tolerate = Setting.Create(
            Verb, "tolerate", "Guests of a group that may fail; the checkpoint holds the others at one true cut, and the exit code is 3", Value.Count, "N", "0");
        var noDisks = Setting.CreateSwitch(Verb, "no-disks", "Leave the guests' disks alone: what they hold is not kept, and may not fit the memory after a restore");
        var codec = Setting.Create(Verb, "codec", "Compression", Codec.Parse, "zstd[:LEVEL]|lz4|none", "zstd");
        var labels = Setting.CreateMany(Verb, "label", "A label; may be given several times", Value.Label, "KEY=VALUE");
        var submit = Setting.CreateSwitch(
            Verb, "submit", "Have it done by a coordinator node of the repository, and follow it to its end; every guest must name its node");
        var detach = Setting.CreateSwitch(Verb, "detach", "With --submit: do not follow it");
        foreach (var (option, choices) in new (Option, string[])[]
        {
            (transport, Value.Choices<CaptureTransport>()), (strategy, Value.Choices<CaptureStrategy>()), (tracking, Value.Choices<DirtyTracking>()), (after, Value.Choices<AfterCut>()), (codec, ["zstd", "lz4", "none"]),
        })
        {
            option.CompletionSources.Add(_ => choices.Select(choice => new System.CommandLine.Completions.CompletionItem(choice)));
        }
        var command = new Verb(
            Verb, "Checkpoint running guests at one cut; they go on running but for one short pause",
            """
            cutpoint take qemu:/run/vm1.qmp
            cutpoint take qemu:/run/vm1.qmp --name before-upgrade --label ticket=4711
            cutpoint take qemu:/run/vm1.qmp --downtime 50ms --codec zstd:3
            cutpoint take qemu:/run/vm1.qmp --after stop
            cutpoint take qemu:/run/web.qmp qemu:/run/db.qmp --name nightly
            cutpoint take qemu:/run/n1.qmp qemu:/run/n2.qmp qemu:/run/n3.qmp --tolerate 1
            cutpoint take //host1/qemu:/run/web.qmp //host2/qemu:/run/db.qmp --secret-file /etc/cutpoint/secret
            cutpoint take //host1/qemu:/run/web.qmp //host2/qemu:/run/db.qmp --submit --repository 'postgres://cutpoint@db/cutpoint?packs=/srv/packs'
            cutpoint take 'reference:a?ram=1GiB'
            """) { guests, name, start, transport, strategy, tracking, downtime, passes, limit, tolerate, noDisks, after, codec, labels, submit, detach, CommonOptions.SecretFile, CommonOptions.Database };
        command.SetAction((parsed, cancellation) =>
        {
            var plan = new JobPlan
            {
                JobId = "",
                Guests = Name(parsed.GetValue(guests)!),
                Name = parsed.GetValue(name),
                Labels = Value.Labels(parsed.GetValue(labels)!),
                Base = parsed.GetValue(start)!,
                Codec = parsed.GetValue(codec).ToString(),
                Tolerate = parsed.GetValue(tolerate),
                Options = new CaptureOptions
                {
                    Transport = parsed.GetValue(transport),
                    Strategy = parsed.GetValue(strategy),
                    Tracking = parsed.GetValue(tracking),
                    Downtime = parsed.GetValue(downtime),
                    MaxPasses = parsed.GetValue(passes),
                    FreezeLimit = parsed.GetValue(limit),
                    After = parsed.GetValue(after),
                    NoDisks = parsed.GetValue(noDisks),
                },
            };
            return parsed.GetValue(submit) || parsed.GetValue(detach)
                ? SubmittedTake.RunAsync(parsed, plan, parsed.GetValue(detach), cancellation) : RunAsync(parsed, plan, cancellation);
        });
        return command;
    }

    private static async Task<int> RunAsync(ParseResult parsed, JobPlan plan, CancellationToken cancellation)
    {
        plan.Check();
        // Sections are known by digests; the library that makes them needs a while to be loaded, beside everything up to the first page. What this may fail of
        // the first digest fails of too.
        _ = Task.Run(() => SHA256.HashData([]), CancellationToken.None);
        await using var repository = await RepositoryAccess.OpenOrCreateDefaultAsync(parsed, cancellation);
        await using var database = await JobDatabase.OpenAsync(repository, TimeProvider.System, cancellation);
        foreach (var job in await ListedJob.ReadAsync(repository, database, cancellation))
        {
            if (job.IsInterrupted && job.Guests.Intersect(plan.Guests.Select(guest => guest.Uri)).Any()) await Console.Error.WriteLineAsync($"cutpoint: note: {job}");
        }
        return await RunAsync(parsed, repository, database, (take, ending) => take.RunAsync(plan, cancellation, ending), cancellation);
    }

    /// <summary>Runs or resumes a job, shows how it goes and what came of it.</summary>
    /// <returns>The exit code.</returns>
    internal static async Task<int> RunAsync(
        ParseResult parsed, DirectoryRepository repository, Database database, Func<TakeJob, CancellationToken, Task<(CheckpointInfo Checkpoint, JobState Job)>> run,
        CancellationToken cancellation)
    {
        var json = parsed.GetValue(CommonOptions.Json);
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        await ThawAsync(time, cancellation);
        await OverlayNotes.MergeAsync(repository, time, cancellation);
        CheckpointInfo taken;
        using (var progress = new ProgressView(json, time))
        {
            using var reference = new ReferenceDriver(time);
            IGuestDriver[] drivers = [new QemuDriver(new QemuSessionOptions(), time), reference];
            await using var registry = await ClusterDatabase.OpenAsync(parsed, repository, database, time, cancellation);
            (taken, _) = await run(new TakeJob(drivers, repository, database, registry.Directory, Secret(parsed), progress, time), Interrupt.Ending);
        }
        return await ShowAsync(repository, taken, json, time.GetElapsedTime(started));
    }

    /// <summary>Shows what was taken. It is committed: a signal changes nothing any more.</summary>
    /// <returns>The exit code.</returns>
    internal static async Task<int> ShowAsync(DirectoryRepository repository, CheckpointInfo taken, bool json, TimeSpan elapsed)
    {
        await using var checkpoint = await repository.OpenCheckpointAsync(taken, CancellationToken.None);
        var shown = ShownCheckpoint.From(checkpoint);
        if (json) JsonOutput.Write(shown, JsonOutput.Types.ShownCheckpoint);
        else CheckpointText.WriteSummary(shown, elapsed, Console.Out);
        return shown.Job is { Missing.Count: > 0 } ? (int)ErrorCode.PartialGroup : 0;
    }

    /// <summary>The secret of the nodes, where its file is named.</summary>
    internal static NodeSecret? Secret(ParseResult parsed) => parsed.GetValue(CommonOptions.SecretFile) is { } path ? NodeSecret.Read(path) : null;

    /// <summary>Puts back every guest whose process and guard were killed, whoever's it was. That one cannot be put back keeps nobody from the others.</summary>
    internal static async Task ThawAsync(TimeProvider time, CancellationToken cancellation)
    {
        foreach (var outcome in await new FreezeIntents(time: time).RecoverAsync(null, cancellation))
        {
            if (outcome.Problem is { } problem) await Console.Error.WriteLineAsync($"cutpoint: note: {outcome.Socket}: {problem.Message}");
            else if (outcome.Thawed) await Console.Error.WriteLineAsync($"cutpoint: note: {outcome.Socket}: {outcome.Details}; the guest is {outcome.Status}");
        }
    }

    /// <summary>Guests are called as their target is: /run/vm1.qmp is vm1. Where that says nothing or is taken, the directory helps, then a number.</summary>
    private static List<GuestPlan> Name(GuestAddress[] guests)
    {
        var plans = new List<GuestPlan>();
        foreach (var (node, uri) in guests)
        {
            var name = Path.GetFileNameWithoutExtension(uri.Target.TrimEnd('/'));
            var home = Path.GetFileName(Path.GetDirectoryName(Path.GetFullPath(uri.Target)));
            var generic = name.Length == 0 || name is "qmp" or "monitor" or "mon";
            if (generic && !string.IsNullOrEmpty(home)) name = home;
            var candidate = name;
            for (var number = 2; plans.Any(plan => plan.Name == candidate); number++) candidate = string.Create(CultureInfo.InvariantCulture, $"{name}-{number}");
            plans.Add(new GuestPlan(candidate, uri.Text, node));
        }
        return plans;
    }
}
