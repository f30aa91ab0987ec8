using System.CommandLine;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Guests;
using Cutpoint.Workers.Restore;

namespace Cutpoint.Cli.Commands;

/// <summary>Brings the guests of a checkpoint back.</summary>
internal static class RestoreCommand
{
    private const string Verb = "restore";

    private enum Memory
    {
        Private,
        Shared,
    }

    public static Command Create()
    {
        var id = CommonOptions.Checkpoint();
        var guest = Setting.Create<string?>(Verb, "guest", "The guest; without it all of the checkpoint", Value.Text, "NAME");
        var to = Setting.Create<GuestUri?>(Verb, "to", "A QEMU that waits with -incoming defer", GuestUri.Parse, "GUEST-URI");
        var launch = new Option<bool>("--launch") { Description = "Start QEMU from the recorded command line" };
        var memory = Setting.Create<Memory?>(
            Verb, "memory", "'private' maps the RAM files copy-on-write, so that they serve any number of clones; 'shared' lets the guest write them, so that it can be "
            + "taken directly again [default: private]", text => Value.Choice<Memory>(text), "private|shared");
        var transport = Setting.Create(
            Verb, "transport", "'direct' maps RAM files, 'stream' sends everything to QEMU", Value.Choice<RestoreTransport>, "auto|direct|stream", "auto");
        var paused = Setting.CreateSwitch(Verb, "paused", "Leave the guests stopped; else each runs on if it ran before it was taken");
        var command = new Verb(
            Verb, "Bring the guests of a checkpoint back, all or none",
            """
            cutpoint restore latest --launch
            cutpoint restore before-upgrade --launch --paused
            cutpoint restore latest --to qemu:/run/vm1.qmp
            """) { id, guest, to, launch, memory, transport, paused };
        command.Validators.Add(result =>
        {
            if (result.GetValue(to) is null == !result.GetValue(launch)) result.AddError("give one of --launch and --to GUEST-URI");
        });
        command.SetAction((parsed, cancellation) => RunAsync(
            parsed,
            new RestoreOptions
            {
                Checkpoint = parsed.GetValue(id)!,
                Guest = parsed.GetValue(guest),
                Target = parsed.GetValue(to),
                Transport = parsed.GetValue(transport),
                SharedMemory = parsed.GetValue(memory) is { } chosen ? chosen == Memory.Shared : null,
                Paused = parsed.GetValue(paused),
            },
            cancellation));
        return command;
    }

    private static async Task RunAsync(ParseResult parsed, RestoreOptions options, CancellationToken cancellation)
    {
        var json = parsed.GetValue(CommonOptions.Json);
        var time = TimeProvider.System;
        var started = time.GetTimestamp();
        await using var repository = await RepositoryAccess.OpenAsync(parsed, cancellation);
        IReadOnlyList<RestoredGuest> guests;
        using (var progress = new ByteProgress("restored", json, time))
        {
            guests = await RestoreJob.RunAsync(
                repository, options, time,
                new Progressing<RestoreProgress>(value =>
                {
                    if (value.Total > 0) progress.Report(value.Done, value.Total);
                }),
                cancellation);
        }
        if (json)
        {
            JsonOutput.Write(new RestoreResult([.. guests.Select(RestoreResultGuest.From)]), JsonOutput.Types.RestoreResult);
            return;
        }
        foreach (var guest in guests)
        {
            var process = guest.Machine.ProcessId is { } number ? $"process {number}, " : "";
            Console.Out.WriteLine(
                $"guest {guest.Name} is {guest.Machine.Status.Name} after {Quantity.Time(time.GetElapsedTime(started))}: {process}monitor {guest.Machine.QmpSocket}");
            foreach (var (from, now) in guest.Machine.Moved) Console.Out.WriteLine($"  {from} is now {now}");
        }
    }
}

/// <summary>What restore prints.</summary>
internal sealed record RestoreResult(IReadOnlyList<RestoreResultGuest> Guests);

/// <summary>A restored guest.</summary>
internal sealed record RestoreResultGuest(
    string Name, string Transport, bool SharedMemory, bool IsClone, string Status, int? Process, string Monitor, string? Log, string? Directory,
    IReadOnlyDictionary<string, string> Moved)
{
    public static RestoreResultGuest From(RestoredGuest guest) => new(
        guest.Name, guest.Transport.ToString().ToLowerInvariant(), guest.SharedMemory, guest.IsClone, guest.Machine.Status.Name, guest.Machine.ProcessId,
        guest.Machine.QmpSocket, guest.Machine.Log, guest.Directory, guest.Machine.Moved);
}
