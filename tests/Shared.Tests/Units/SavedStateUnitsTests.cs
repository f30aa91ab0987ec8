using Cutpoint.Formats.Ssm;
using Cutpoint.Shared.Tests.Formats.Ssm;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Units;

/// <summary>Units saved into a file and loaded out of one: the original's numbers for the original's files.</summary>
public sealed class SavedStateUnitsTests
{
    private readonly CallTrace _trace = new();
    private readonly UnitRegistry _registry = new();
    private readonly SavedStateUnits _standard = new();

    public SavedStateUnitsTests() => _standard.Register(_registry);

    [Fact]
    public async Task A_saved_guest_is_the_file_of_VirtualBox_octet_for_octet()
    {
        using var output = new MemoryStream();
        SavedStateSinks sinks = null!;
        Register("tiny", 4, new() { SaveExecute = (_, _) => Do(() => sinks.Values.PutUInt32(0x12345678)) });
        // Only now: the count of units stands in the header.
        sinks = new SavedStateSinks(output, _registry, isLive: false);
        await OfflineSave.RunAsync(_registry, sinks, new SaveOptions { After = SaveAfter.Destroy, Progress = _trace.Progress }, default);
        await sinks.CompleteAsync(default);
        Assert.Equal(SavedStateVectors.Read("tiny.sav"), output.ToArray());
        _trace.AssertEqual("save_tiny");
    }

    [Fact]
    public async Task A_load_of_a_real_file_reports_the_percents_of_the_original()
    {
        Loads("prims", 1);
        Loads("strs", 0);
        Register("pci", 0, new());
        Loads("bulk", 2);
        Loads("struct", 0);
        Register("ext", 0, new()
        {
            LoadPrepare = (c, _) => Log($"ext.LoadPrep live={(c.IsLive ? 1 : 0)} after={(int)c.After}"),
            LoadExecute = async (c, version, pass, t) =>
            {
                Assert.Equal("linux.amd64", _standard.SaverOs);
                await Log($"ext.LoadExec ver={version} pass={CallTrace.Pass(pass)}");
                await ReadAsync(c, t);
            },
            LoadDone = c => Log($"ext.LoadDone status={(int)c.Status}"),
        });
        Register("doneonly", 0, new() { LoadDone = c => Log($"doneonly.LoadDone status={(int)c.Status}") });
        var sections = await SavedStateSections.OpenAsync(new MemoryStream(SavedStateVectors.Read("basic.sav")), default);
        Assert.Equal((64, 167084, (7, 1, 6)), (sections.Header.HostBits, sections.Header.Revision, (sections.Header.Major, sections.Header.Minor, sections.Header.Build)));
        await UnitLoad.RunAsync(_registry, sections, new LoadOptions { Progress = _trace.Progress }, default);
        _trace.AssertEqual("load_basic");

        void Loads(string name, uint instance) => Register(
            name, 0,
            new()
            {
                LoadExecute = async (c, version, pass, t) =>
                {
                    await Log($"{name}.LoadExec ver={version} pass={CallTrace.Pass(pass)}");
                    await ReadAsync(c, t);
                },
            },
            instance);
    }

    [Fact]
    public async Task A_live_saved_file_mirrors_its_progress_to_the_loading_side()
    {
        var file = await LiveSaveAsync();
        var names = new List<string>();
        var reader = SavedStateReader.Open(new MemoryStream(file));
        while (reader.NextUnit() is { } unit) names.Add($"{unit.Name}@{CallTrace.Pass(unit.Pass)}");
        Assert.Equal(["SSM@0", "live@0", "SSMLiveControl@0", "live@0x1", "SSMLiveControl@0x1", "live@0x2"], names.TakeWhile(name => !name.EndsWith("0xffffffff", StringComparison.Ordinal)));
        Assert.Contains("SSM@0xffffffff", names);
        Assert.Equal((true, 3), (reader.Header.IsLive, reader.Directory.Count));
        var percents = new List<int>();
        var sections = await SavedStateSections.OpenAsync(new MemoryStream(file), default);
        await UnitLoad.RunAsync(_registry, sections, new LoadOptions { Progress = percents.Add }, default);
        Assert.True(sections.IsLive);
        // The loading side sees the moments of the saving one: 30 and 61 of 100 during the passes.
        Assert.Equal([0, 1, 30, 59, 92], percents.Take(5));
        Assert.Equal(100, percents[^1]);
    }

    [Fact]
    public async Task A_save_that_failed_leaves_a_file_that_readers_refuse()
    {
        using var output = new MemoryStream();
        Register("bad", 4, new() { SaveExecute = (c, t) => throw new InvalidOperationException("broken") });
        var sinks = new SavedStateSinks(output, _registry, isLive: false);
        await Assert.ThrowsAsync<SnapshotException>(() => OfflineSave.RunAsync(_registry, sinks, new SaveOptions { After = SaveAfter.Destroy }, default));
        await Assert.ThrowsAsync<SavedStateException>(() => sinks.CompleteAsync(default));
        Assert.ThrowsAny<SavedStateException>(() => SavedStateReader.Open(new MemoryStream(output.ToArray())));
    }

    [Theory]
    [InlineData(SavedStateStatus.LoadedTooLittle, 1)]
    [InlineData(SavedStateStatus.LoadedTooMuch, 5)]
    public async Task A_unit_that_is_not_read_exactly_fails_the_load_even_if_it_hides_that(SavedStateStatus expected, int octets)
    {
        SavedStateSections sections = null!;
        Register("tiny", 4, new() { LoadExecute = (_, _, _, _) => Do(() => Record.Exception(() => sections.Values.Skip(octets))) });
        sections = await SavedStateSections.OpenAsync(new MemoryStream(SavedStateVectors.Read("tiny.sav")), default);
        var fault = await Record.ExceptionAsync(() => UnitLoad.RunAsync(_registry, sections, new LoadOptions(), default));
        Assert.Equal(expected, UnitException.StatusOf(fault));
    }

    [Fact]
    public async Task Units_nobody_knows_are_refused_unless_the_file_is_looked_at_only_and_stubs_pass_over_theirs()
    {
        Assert.Equal(SavedStateStatus.IntegrityUnitNotFound, await LoadAsync(LoadAfter.Resume));
        Assert.Equal(SavedStateStatus.Ok, await LoadAsync(LoadAfter.Inspect));
        _registry.Register(UnitRegistration.Stub(new("tiny", 0)));
        Assert.Equal(SavedStateStatus.Ok, await LoadAsync(LoadAfter.Resume));

        async Task<SavedStateStatus> LoadAsync(LoadAfter after)
        {
            var sections = await SavedStateSections.OpenAsync(new MemoryStream(SavedStateVectors.Read("tiny.sav")), default);
            return UnitException.StatusOf(await Record.ExceptionAsync(() => UnitLoad.RunAsync(_registry, sections, new LoadOptions { After = after }, default)));
        }
    }

    [Fact]
    public async Task A_status_set_in_a_callback_ends_the_save_when_the_callback_returns()
    {
        var called = new List<string>();
        Register("first", 0, new()
        {
            SaveExecute = (c, _) => Do(() =>
            {
                Assert.Equal(SavedStateStatus.UnexpectedData, c.SetStatus(SavedStateStatus.UnexpectedData));
                // The first failure counts.
                Assert.Equal(SavedStateStatus.UnexpectedData, c.SetStatus(SavedStateStatus.InvalidParameter));
                called.Add("first");
            }),
            SaveDone = c => Do(() => called.Add($"done {c.Status}")),
        });
        Register("second", 0, new() { SaveExecute = (_, _) => Do(() => called.Add("second")) });
        var sinks = new SavedStateSinks(Stream.Null, _registry, isLive: false);
        var fault = await Record.ExceptionAsync(() => OfflineSave.RunAsync(_registry, sinks, new SaveOptions { After = SaveAfter.Destroy }, default));
        Assert.Equal(SavedStateStatus.UnexpectedData, UnitException.StatusOf(fault));
        Assert.Equal(["first", "done UnexpectedData"], called);
    }

    private async Task<byte[]> LiveSaveAsync()
    {
        using var output = new MemoryStream();
        Register("live", 1000, new()
        {
            LiveExecute = async (c, _, t) =>
            {
                await c.Sink.WriteAsync(new byte[16], t);
                return LiveOutcome.Continue;
            },
            LiveVote = (c, pass, _) =>
            {
                if (pass < 2) c.ReportPercent(33 * ((int)pass + 1));
                return new(new Vote(c.Unit.Key, pass, pass < 2 ? VoteDecision.AnotherPass : VoteDecision.Done));
            },
            SaveExecute = (c, t) => c.Sink.WriteAsync(new byte[16], t),
            LoadExecute = async (c, _, _, t) => await ReadAsync(c, t),
        });
        Register("plain", 1000, new() { SaveExecute = (c, t) => c.Sink.WriteAsync(new byte[16], t), LoadExecute = async (c, _, _, t) => await ReadAsync(c, t) });
        var sinks = new SavedStateSinks(output, _registry, isLive: true);
        await using var save = new LiveSave(_registry, sinks, new SaveOptions { Progress = static _ => { } });
        await save.LivePrepareAsync(default);
        PassOutcome outcome;
        var pass = 0U;
        do
        {
            await save.ExecutePassAsync(pass, default);
            outcome = await save.VoteAsync(pass++, default);
        }
        while (outcome.Verdict == PassVerdict.AnotherPass);
        await save.SavePrepareAsync(default);
        await save.SaveExecuteAsync(default);
        (await save.CompleteAsync()).ThrowIfFailed();
        await sinks.CompleteAsync(default);
        return output.ToArray();
    }

    private static ValueTask Do(Action act)
    {
        act();
        return default;
    }

    private static async Task ReadAsync(LoadContext context, CancellationToken cancellation)
    {
        var buffer = new byte[4096];
        while (await context.Source.ReadAsync(buffer, cancellation) > 0)
        {
        }
    }

    private ValueTask Log(string line) => Do(() => _trace.Add(line));

    private void Register(string name, long estimate, UnitCallbacks callbacks, uint instance = 0) =>
        _registry.Register(new(UnitKind.Internal, new(name, instance), 1, estimate, callbacks));
}
