using System.Text.Json.Nodes;
using Cutpoint.TestGuests;

namespace Cutpoint.Acceptance.Tests.BadDays;

/// <summary>What the bad days have in common: a repository, a guest when one is needed, and what must hold whatever went wrong.</summary>
public abstract class BadDay : IDisposable
{
    /// <summary>Ends a test that hangs: none is meant to need that long.</summary>
    private readonly CancellationTokenSource _cancellation = new(TimeSpan.FromMinutes(5));

    protected BadDay() => Cutpoint = new CutpointProgram(Directory.File("repository"), Directory.File("state"));

    protected TemporaryDirectory Directory { get; } = new();

    protected CutpointProgram Cutpoint { get; set; }

    protected CancellationToken Cancellation => _cancellation.Token;

    public void Dispose()
    {
        _cancellation.Dispose();
        Directory.Dispose();
        GC.SuppressFinalize(this);
    }

    protected Task<Guest> BootAsync(GuestOptions? options = null) =>
        Guest.BootAsync(options ?? new GuestOptions { RamKiB = 98312 }, Directory.File("guest"), Cancellation);

    protected Task InitAsync() => Cutpoint.QueryAsync(Cancellation, "init");

    protected Task<CutpointResult> RunAsync(params string[] arguments) => Cutpoint.RunAsync(Cancellation, arguments);

    /// <summary>One line for people that names where it went wrong and what to do; the exit code is that of the kind of failure.</summary>
    protected static void IsOneClearLine(CutpointResult result, int exitCode, string where)
    {
        Assert.True(result.ExitCode == exitCode, $"exit {result.ExitCode}: {result.Output}{result.Error}");
        var line = Assert.Single(result.Error.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.StartsWith("cutpoint: ", line, StringComparison.Ordinal);
        Assert.Contains(where, line, StringComparison.Ordinal);
        Assert.Contains(" — ", line, StringComparison.Ordinal);
        Assert.DoesNotContain("internal error", line, StringComparison.Ordinal);
    }

    /// <summary>The same from a command that was run with --json.</summary>
    protected static void IsOneClearError(CutpointResult result, int exitCode, string? where = null)
    {
        Assert.True(result.ExitCode == exitCode, $"exit {result.ExitCode}: {result.Output}{result.Error}");
        var error = JsonNode.Parse(result.Output)!["error"]!;
        Assert.DoesNotContain("internal error", (string?)error["message"], StringComparison.Ordinal);
        Assert.NotNull((string?)error["advice"]);
        if (where is not null) Assert.Contains(where, (string?)error["message"], StringComparison.Ordinal);
    }

    /// <summary>Waits until a take under way has something that another process can go on with: its phase is told of before that.</summary>
    protected async Task UntilItCanBeResumedAsync()
    {
        while (!System.IO.Directory.EnumerateFiles(Path.Combine(Cutpoint.Repository, "jobs"), "resumable", SearchOption.AllDirectories).Any())
            await Task.Delay(1, Cancellation);
    }

    /// <summary>No checkpoint is listed.</summary>
    protected async Task NothingIsListedAsync() =>
        Assert.Empty((await Cutpoint.QueryAsync(Cancellation, "list"))["checkpoints"]!.AsArray());

    /// <summary>The guest runs, its memory is right in its own eyes, QEMU's settings are the defaults, and it can be taken.</summary>
    protected async Task RunsOnUnchangedAsync(Guest guest)
    {
        Assert.Equal("running", await guest.StatusAsync(Cancellation));
        var capabilities = await guest.ExecuteAsync("query-migrate-capabilities", null, Cancellation);
        Assert.Empty(capabilities!.AsArray().Where(one => (bool)one!["state"]!).Select(one => (string)one!["capability"]!));
        await guest.Serial.WaitForCountsAsync(guest.Serial.Counts.Count + 2, Cancellation);
        Assert.Empty(guest.Serial.Complaints);
        await Cutpoint.QueryAsync(Cancellation, "take", guest.Uri);
    }
}
