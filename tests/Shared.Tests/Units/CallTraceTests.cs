using Cutpoint.Formats.Ssm;
using Cutpoint.Units;

namespace Cutpoint.Shared.Tests.Units;

/// <summary>The calls, progress numbers and statuses of the original's own code, number for number.</summary>
public sealed class CallTraceTests
{
    private readonly CallTrace _trace = new();
    private readonly CountingSinks _sinks = new();
    private readonly UnitRegistry _registry = new();

    [Fact]
    public async Task An_offline_save_reports_every_percent_from_19_to_98_and_100()
    {
        RegisterInfo();
        Register("tiny", 4, new UnitCallbacks { SaveExecute = (c, t) => c.Sink.WriteAsync(new byte[4], t) });
        await SaveAsync("save_tiny");
    }

    [Fact]
    public async Task A_load_reports_every_percent_from_0_to_100()
    {
        RegisterInfo();
        Register("tiny", 4, new UnitCallbacks { LoadExecute = (_, _, _, _) => default });
        await LoadAsync("load_tiny", 399, new("SSM", 92), new("tiny", 22));
    }

    [Fact]
    public void Registration_keeps_the_order_and_the_numbers_of_its_refusals()
    {
        RegisterInfo();
        var device = new object();
        Try("register prims", () => Register("prims", 256, new(), instance: 1));
        Register("strs", 0, new());
        Register("bulk", 0, new(), instance: 2);
        Register("struct", 0, new());
        Register("ext", 0, new());
        Register("doneonly", 0, new());
        Try("register dev pci before bulk", () => Device("pci", 0, "bulk"));
        Try("duplicate register pci/0", () => Register("pci", 0, new()));
        Try("register pci/1 before missing unit", () => Device("pci", 1, "missing"));
        Try("49-char name", () => Register(new string('x', 49), 0, new()));
        Try("47-char name", () => Register("01234567890123456789012345678901234567890123456", 0, new()));
        Try("empty name", () => Register("", 0, new()));
        _trace.Add("order: " + string.Join(' ', _registry.Units.Select(u => u.Key)));
        _trace.AssertEqual("register");

        void Device(string name, uint instance, string before) =>
            _registry.Register(new(UnitKind.Device, new(name, instance), 1, 0, new()) { Owner = device, Before = before });

        void Try(string what, Action register)
        {
            var status = SavedStateStatus.Ok;
            try
            {
                register();
            }
            catch (UnitException e)
            {
                status = e.Status;
            }
            _trace.Add($"{what} -> {(int)status}");
        }
    }

    [Fact]
    public async Task A_save_calls_units_in_list_order_and_tells_only_those_concerned()
    {
        RegisterBasic();
        await SaveAsync("save_basic");
    }

    [Fact]
    public async Task A_load_calls_units_in_the_order_of_the_input()
    {
        RegisterBasic();
        // The octets of each unit's records, as counted in the file the original wrote.
        await LoadAsync(
            "load_basic",
            372606,
            new("SSM", 92),
            new("prims", 160, 1, 3),
            new("strs", 6869),
            new("bulk", 363893, 2, 7),
            new("struct", 1016, 0, 2),
            new("ext", 29, 0, 9));
    }

    [Fact]
    public async Task A_unit_that_cannot_load_ends_the_load()
    {
        RegisterInfo();
        Register("prims", 0, new() { LoadExecute = (_, _, _, _) => Log("prims.LoadExec ver=3 pass=0xffffffff") }, instance: 1);
        Register("strs", 0, new());
        // Sized so that nothing but the first percent is due before the failure.
        await LoadAsync("load_no_loadexec", 372606, new("SSM", 92), new("prims", 160, 1, 3), new("strs", 6869));
    }

    [Theory]
    [InlineData("live_save_variant0_file", false)]
    [InlineData("live_save_variant3_exec_dont_call_again", true)]
    public async Task A_live_save_passes_until_nobody_votes_for_another(string name, bool execution_says_so)
    {
        RegisterInfo();
        Register("live1", 1000, Live("live1", execution_says_so, VoteDecision.AnotherPass, VoteDecision.AnotherPass, VoteDecision.Done));
        Register("live2", 1000, Live("live2", false, VoteDecision.DoneDontCallAgain));
        Register("plain", 1000, Saves("plain"));
        _trace.Add("LiveSave=0");
        await using var save = new LiveSave(_registry, _sinks, LiveOptions);
        await save.LivePrepareAsync(default);
        PassOutcome outcome;
        var pass = 0U;
        do
        {
            await save.ExecutePassAsync(pass, default);
            outcome = await save.VoteAsync(pass++, default);
        }
        while (outcome.Verdict == PassVerdict.AnotherPass);
        Assert.Equal(PassVerdict.Converged, outcome.Verdict);
        _trace.Add($"Step1={(int)save.Status}");
        await save.SavePrepareAsync(default);
        await save.SaveExecuteAsync(default);
        // The original tells its units at the end of the second step and reports 100 only when the stream is closed; here both are one call.
        var done = await save.CompleteAsync();
        _trace.Lines.Insert(_trace.Lines.Count - 1, $"Step2={(int)done.Status}");
        _trace.Add($"LiveDone={(int)done.Status}");
        _trace.AssertEqual(name);
        Assert.Equal(execution_says_so ? 2 : 4, save.Votes.Count);
        if (!execution_says_so)
        {
            // The same moments as the loading side is told them: percent times 98, cut to a whole number.
            Assert.Equal([3007, 6015, 9427, 9545, 9604], _sinks.Reports.Select(r => (int)(r.Percent * 98)));
        }
    }

    [Fact]
    public async Task A_preparation_that_fails_is_told_to_those_called_before()
    {
        RegisterFailing(prepare: _ => throw Broken());
        await SaveAsync("fail_saveprep");
    }

    [Fact]
    public async Task A_unit_that_fails_at_the_end_fails_the_save_and_the_rest_learn_of_it()
    {
        RegisterFailing(done: () => throw Broken());
        await SaveAsync("fail_savedone");
    }

    [Fact]
    public async Task A_cancelled_save_ends_before_the_next_unit_and_every_unit_learns_of_it()
    {
        RegisterFailing(cancels: true);
        await SaveAsync("cancel_saveexec");
    }

    [Fact]
    public async Task A_load_that_fails_tells_every_unit()
    {
        RegisterFailing(load: _ => throw Broken());
        await LoadAsync("fail_loadexec", 576, new("SSM", 92), new("first", 30, 0, 1), new("fail", 30, 0, 1), new("last", 30, 0, 1));
    }

    [Fact]
    public async Task A_unit_that_leaves_data_unread_fails_the_load()
    {
        RegisterFailing(load: static _ => { });
        await LoadAsync(
            "load_too_little",
            576,
            new("SSM", 92),
            new("first", 30, 0, 1),
            new("fail", 30, 0, 1, SavedStateStatus.LoadedTooLittle),
            new("last", 30, 0, 1));
    }

    [Fact]
    public async Task A_unit_that_reads_too_much_fails_the_load_even_if_it_hides_that()
    {
        RegisterFailing(load: c => _trace.Add($"over-read rc={(int)SavedStateStatus.LoadedTooMuch}"));
        await LoadAsync(
            "load_too_much",
            576,
            new("SSM", 92),
            new("first", 30, 0, 1),
            new("fail", 24, 0, 1, SavedStateStatus.LoadedTooMuch, 24),
            new("last", 30, 0, 1));
    }

    [Fact]
    public async Task A_pass_that_fails_ends_the_live_save_and_completion_tells_the_units()
    {
        Nothing_is_pending();
        RegisterInfo();
        Register("first", 16, Saves("first"));
        Register("fail", 16, Saves("fail") with
        {
            LivePrepare = (_, _) => Log("fail.LivePrep"),
            LiveExecute = (_, pass, _) =>
            {
                _trace.Add($"fail.LiveExec pass={CallTrace.Pass(pass)}");
                throw Broken();
            },
        });
        Register("last", 16, Saves("last"));
        Register("doneonly", 0, Done("doneonly"));
        await using var save = new LiveSave(_registry, _sinks, LiveOptions);
        await save.LivePrepareAsync(default);
        await Assert.ThrowsAsync<SnapshotException>(() => save.ExecutePassAsync(0, default));
        _trace.Add($"Step1={(int)save.Status}");
        await Assert.ThrowsAsync<SnapshotException>(() => save.SavePrepareAsync(default));
        _trace.Add($"LiveDone={(int)(await save.CompleteAsync()).Status}");
        _trace.AssertEqual("fail_liveexec");
    }

    private SaveOptions LiveOptions => new()
    {
        MaxDowntime = TimeSpan.FromMilliseconds(250), Progress = _trace.Progress, Limits = SaveLimits.OfFile,
    };

    private static InvalidOperationException Broken() => new("broken");

    private void Nothing_is_pending() => _trace.Add($"cancel with nothing pending={(int)_registry.Cancel()}");

    private ValueTask Log(string line)
    {
        _trace.Add(line);
        return default;
    }

    private void Register(string name, long estimate, UnitCallbacks callbacks, uint instance = 0) =>
        _registry.Register(new(UnitKind.Internal, new(name, instance), 1, estimate, callbacks));

    /// <summary>The two units the original has in every guest.</summary>
    private void RegisterInfo()
    {
        Register("SSM", 64, new() { SaveExecute = (c, t) => c.Sink.WriteAsync(new byte[74], t), LoadExecute = (_, _, _, _) => default });
        Register("SSMLiveControl", 1, new());
    }

    private void RegisterBasic()
    {
        RegisterInfo();
        Basic("prims", 1, 3, 256, 141);
        Basic("strs", 0, 1, 16384, 14760);
        Register("pci", 0, new());
        Basic("bulk", 2, 7, 1179648, 1167129);
        Basic("struct", 0, 2, 1024, 997);
        Register("ext", 64, new()
        {
            SavePrepare = (_, _) => Log("ext.SavePrep"),
            SaveExecute = (c, t) => WriteAsync("ext", c, 11, t),
            SaveDone = c => Log($"ext.SaveDone status={(int)c.Status}"),
            LoadPrepare = (c, _) => Log($"ext.LoadPrep live={(c.IsLive ? 1 : 0)} after={(int)c.After}"),
            LoadExecute = (_, version, pass, _) => Log($"ext.LoadExec ver={version} pass={CallTrace.Pass(pass)}"),
            LoadDone = c => Log($"ext.LoadDone status={(int)c.Status}"),
        });
        Register("doneonly", 0, Done("doneonly"));

        void Basic(string name, uint instance, uint version, long estimate, int octets) => Register(
            name,
            estimate,
            new()
            {
                SaveExecute = (c, t) => WriteAsync(name, c, octets, t),
                LoadExecute = (_, v, pass, _) => Log($"{name}.LoadExec ver={v} pass={CallTrace.Pass(pass)}"),
            },
            instance);
    }

    private ValueTask WriteAsync(string name, SaveContext context, int octets, CancellationToken cancellation)
    {
        _trace.Add($"{name}.SaveExec");
        return context.Sink.WriteAsync(new byte[octets], cancellation);
    }

    private UnitCallbacks Done(string name) => new()
    {
        SaveDone = c => Log($"{name}.SaveDone status={(int)c.Status}"),
        LoadDone = c => Log($"{name}.LoadDone status={(int)c.Status}"),
    };

    private UnitCallbacks Saves(string name) => Done(name) with
    {
        SavePrepare = (_, _) => Log($"{name}.SavePrep"),
        SaveExecute = (c, t) => WriteAsync(name, c, 16, t),
        LoadPrepare = (c, _) => Log($"{name}.LoadPrep live={(c.IsLive ? 1 : 0)} after={(int)c.After}"),
        LoadExecute = (_, version, pass, _) => Log($"{name}.LoadExec ver={version} pass={CallTrace.Pass(pass)}"),
    };

    private UnitCallbacks Live(string name, bool finishesInPass1, params VoteDecision[] votes) => Saves(name) with
    {
        LivePrepare = (c, _) =>
            Log($"{name}.LivePrep live={(c.IsLive ? 1 : 0)} downtime={c.MaxDowntime!.Value.TotalMilliseconds} after={(int)c.After}"),
        LiveExecute = (_, pass, _) =>
        {
            _trace.Add($"{name}.LiveExec pass={CallTrace.Pass(pass)}");
            return new(finishesInPass1 && pass == 1 ? LiveOutcome.DontCallAgain : LiveOutcome.Continue);
        },
        LiveVote = (c, pass, _) =>
        {
            var number = votes[pass] switch
            {
                VoteDecision.AnotherPass => SavedStateStatus.VoteForAnotherPass,
                VoteDecision.DoneDontCallAgain => SavedStateStatus.VoteDoneDontCallAgain,
                _ => SavedStateStatus.Ok,
            };
            _trace.Add($"{name}.LiveVote pass={CallTrace.Pass(pass)} -> {(int)number}");
            if (votes[pass] == VoteDecision.AnotherPass) c.ReportPercent(33 * ((int)pass + 1));
            return new(new Vote(c.Unit.Key, pass, votes[pass]));
        },
    };

    /// <summary>Three units with data and one without; the one in the middle is made to fail.</summary>
    private void RegisterFailing(
        Action<SaveContext>? prepare = null, Action? done = null, Action<LoadContext>? load = null, bool cancels = false)
    {
        Nothing_is_pending();
        RegisterInfo();
        Register("first", 16, Saves("first"));
        Register("fail", 16, Saves("fail") with
        {
            SavePrepare = (c, _) =>
            {
                _trace.Add("fail.SavePrep");
                prepare?.Invoke(c);
                return default;
            },
            SaveExecute = async (c, t) =>
            {
                _trace.Add("fail.SaveExec");
                await c.Sink.WriteAsync(new byte[4], t);
                if (cancels)
                {
                    _trace.Add($"SSMR3Cancel -> {(int)_registry.Cancel()}");
                    _trace.Add($"SSMR3Cancel again -> {(int)_registry.Cancel()}");
                }
                var status = await Record.ExceptionAsync(async () => await c.Sink.WriteAsync(new byte[12], t));
                _trace.Add($"put after -> {(int)UnitException.StatusOf(status)}");
            },
            SaveDone = c =>
            {
                _trace.Add($"fail.SaveDone status={(int)c.Status}");
                done?.Invoke();
                return default;
            },
            LoadPrepare = (_, _) => Log("fail.LoadPrep"),
            LoadExecute = (c, version, _, _) =>
            {
                _trace.Add($"fail.LoadExec ver={version}");
                ((TraceSections)c.Source).Consume();
                load?.Invoke(c);
                return default;
            },
        });
        Register("last", 16, Saves("last"));
        Register("doneonly", 0, Done("doneonly"));
    }

    private async Task SaveAsync(string name)
    {
        var options = new SaveOptions { After = SaveAfter.Destroy, Progress = _trace.Progress };
        var fault = await Record.ExceptionAsync(() => OfflineSave.RunAsync(_registry, _sinks, options, default));
        Assert.Equal(CallTrace.ExpectedStatus(name), (int)UnitException.StatusOf(fault));
        _trace.AssertEqual(name);
        Assert.Equal(SavedStateStatus.NoPendingOperation, _registry.Cancel());
    }

    private async Task LoadAsync(string name, long length, params TraceSection[] sections)
    {
        var input = new TraceSections(length, sections);
        var fault = await Record.ExceptionAsync(
            () => UnitLoad.RunAsync(_registry, input, new LoadOptions { Progress = _trace.Progress }, default));
        Assert.Equal(CallTrace.ExpectedStatus(name), (int)UnitException.StatusOf(fault));
        _trace.AssertEqual(name);
        Assert.Equal(SavedStateStatus.NoPendingOperation, _registry.Cancel());
    }
}
