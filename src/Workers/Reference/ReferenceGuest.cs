using System.Buffers.Binary;
using Cutpoint.Guests;
using Cutpoint.Units;

namespace Cutpoint.Workers.Reference;

/// <summary>
/// A guest inside this process, for tests, benchmarks and simulation at scale: RAM blocks of any size with seeded contents, devices with state, and a workload
/// that writes pages while the guest runs. What it holds is a function of its options and of how many writes it has done (<see cref="Writes"/>), so the
/// right contents at any cut are known. Safe for concurrent use.
/// </summary>
public sealed class ReferenceGuest : IDisposable
{
    private const int Registers = 16;
    private const long LowMemory = 3L << 30;
    private const ulong HighMemory = 1UL << 32;
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private readonly ITimer? _beat;
    private readonly ReferenceRandom _random;
    private readonly ulong[][] _cpus;
    private readonly CancellationTokenSource _dead = new();
    private Dictionary<UnitKey, byte[]>? _stopped;
    private TimeSpan _ran;
    private long _runningSince;
    private double _paced;
    private object? _capture;

    /// <summary>Creates a guest that runs unless its options say otherwise.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="options">What it is like.</param>
    /// <param name="time">The clock it lives by.</param>
    public ReferenceGuest(string name, ReferenceOptions options, TimeProvider time)
    {
        Name = name;
        Options = options;
        Dead = _dead.Token;
        Time = time;
        _random = new ReferenceRandom(options.Seed);
        _cpus = new ulong[options.Cpus][];
        for (var i = 0; i < _cpus.Length; i++) _cpus[i] = new ulong[Registers];
        Memory =
        [
            new(new RamBlock("ref.ram", options.Ram), ReferenceRandom.Mix(options.Seed), options),
            new(new RamBlock("ref.vram", 2L << 20), ReferenceRandom.Mix(options.Seed + 1), options),
            new(new RamBlock("ref.rom", 128L << 10, IsReadOnly: true), ReferenceRandom.Mix(options.Seed + 2), options),
        ];
        Reader = new ReferenceReader(this, time);
        RegisterUnits();
        if (!options.Paused) Continue();
        if (options.Dirty > 0) _beat = time.CreateTimer(static guest => ((ReferenceGuest)guest!).Work(), this, Beat, Beat);
    }

    /// <summary>The guest's name.</summary>
    public string Name { get; }

    /// <summary>What it is like.</summary>
    public ReferenceOptions Options { get; }

    /// <summary>Its RAM blocks.</summary>
    public IReadOnlyList<ReferenceMemory> Memory { get; }

    /// <summary>Its units: RAM blocks, then devices and CPUs.</summary>
    public UnitRegistry Units { get; } = new();

    /// <summary>Pages the workload has written in the guest's life.</summary>
    public long Writes { get; private set; }

    /// <summary>True while it executes.</summary>
    public bool IsRunning { get; private set; }

    /// <summary>How long it has executed in its life.</summary>
    public TimeSpan Uptime
    {
        get { lock (_gate) return UptimeNow; }
    }

    /// <summary>Its RAM in the guest-physical address space: a hole below 4 GiB, as in a PC.</summary>
    public IReadOnlyList<MemoryRange> Layout
    {
        get
        {
            var low = Math.Min(Options.Ram, LowMemory);
            var ranges = new List<MemoryRange> { new(0, (ulong)low, "ref.ram", 0) };
            ranges.Add(new(0xE000_0000, 2UL << 20, "ref.vram", 0));
            ranges.Add(new(HighMemory - (128UL << 10), 128UL << 10, "ref.rom", 0));
            if (Options.Ram > low) ranges.Add(new(HighMemory, (ulong)(Options.Ram - low), "ref.ram", (ulong)low));
            return ranges;
        }
    }

    /// <summary>Cancelled when the guest has died.</summary>
    public CancellationToken Dead { get; }

    internal TimeProvider Time { get; }

    /// <summary>What the save under way has read.</summary>
    internal ReferenceReader Reader { get; private set; }

    /// <summary>True while a capture has the guest; it says when reading begins.</summary>
    internal bool IsCaptured => _capture is not null;

    /// <summary>True while the final pass reads the stopped instant from a copy and the guest runs.</summary>
    internal bool RunsDuringFinalPass { get; private set; }

    private TimeSpan UptimeNow => IsRunning ? _ran + Time.GetElapsedTime(_runningSince) : _ran;

    /// <summary>Lets the workload write so many pages now, beside what its own pace makes it write. A stopped guest writes nothing.</summary>
    /// <returns>Pages written.</returns>
    public long Run(long writes)
    {
        lock (_gate)
        {
            if (!IsRunning) return 0;
            for (var i = 0L; i < writes; i++) WritePage();
            return writes;
        }
    }

    /// <summary>Stops the guest and takes its devices' state; it executes nothing when this returns.</summary>
    public void Stop()
    {
        lock (_gate)
        {
            if (IsRunning)
            {
                _ran = UptimeNow;
                IsRunning = false;
            }
            _stopped = Devices().ToDictionary(static d => d.Key, static d => d.Save());
        }
    }

    /// <summary>Lets the guest execute.</summary>
    public void Continue()
    {
        lock (_gate)
        {
            if (IsRunning) return;
            ObjectDisposedException.ThrowIf(Dead.IsCancellationRequested, this);
            _runningSince = Time.GetTimestamp();
            IsRunning = true;
            if (!RunsDuringFinalPass) _stopped = null;
        }
    }

    /// <summary>Ends the guest as a crash of its machine would.</summary>
    public void Kill()
    {
        lock (_gate) IsRunning = false;
        _dead.Cancel();
    }

    /// <summary>The first difference to another guest in RAM or device state, in words, or null when they are equal octet for octet.</summary>
    public string? FirstDifference(ReferenceGuest other)
    {
        for (var block = 0; block < Memory.Count; block++)
        {
            if (Memory[block].FirstDifference(other.Memory[block]) is { } page) return $"{Memory[block].Block.Name}: page {page}";
        }
        var mine = State();
        var theirs = other.State();
        return mine.Keys.Union(theirs.Keys).FirstOrDefault(unit => !mine.GetValueOrDefault(unit, []).AsSpan().SequenceEqual(theirs.GetValueOrDefault(unit, []))) is
            { Name: not null } different
            ? different.ToString()
            : null;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _beat?.Dispose();
        Kill();
        _dead.Dispose();
    }

    /// <summary>Takes the guest for one capture; false when another has it.</summary>
    internal bool TryEnter(object capture) => Interlocked.CompareExchange(ref _capture, capture, null) is null;

    internal void Leave(object capture)
    {
        EndCut();
        Interlocked.CompareExchange(ref _capture, null, capture);
    }

    /// <summary>Begins a save: every block is read as a whole once.</summary>
    internal ReferenceReader BeginReading() => Reader = new ReferenceReader(this, Time);

    /// <summary>The stopped instant stays readable while the guest goes on.</summary>
    internal void BeginCut()
    {
        lock (_gate)
        {
            RunsDuringFinalPass = true;
            foreach (var memory in Memory) memory.BeginCut();
        }
    }

    internal void EndCut()
    {
        lock (_gate)
        {
            RunsDuringFinalPass = false;
            foreach (var memory in Memory) memory.EndCut();
            if (IsRunning) _stopped = null;
        }
    }

    /// <summary>Changes the guest from outside.</summary>
    internal void Change(Action change)
    {
        lock (_gate) change();
    }

    /// <summary>Writes what is due by the guest's own clock.</summary>
    private void Work()
    {
        lock (_gate)
        {
            if (!IsRunning || Options.Dirty == 0) return;
            var pace = UptimeNow.TotalSeconds * Options.Dirty;
            // At most a second's worth: a process that was suspended for an hour must not be busy for the next.
            var due = Math.Min(pace - _paced, Options.Dirty);
            for (; due >= 1; due--) WritePage();
            _paced = pace - due;
        }
    }

    private void WritePage()
    {
        var (where, what) = (_random.Next(), _random.Next());
        // One write in sixteen goes to the display.
        var memory = Memory[(where & 15) == 0 ? 1 : 0];
        var pages = memory.Block.PageCount;
        var hot = memory == Memory[0] ? Options.HotPages : pages;
        var page = ((pages - hot) / 2) + (long)((where >> 4) % (ulong)hot);
        memory.Set(page, (what >> 61) switch
        {
            0 => PageContent.Zero,
            1 or 2 => PageContent.NoiseOf(what),
            _ => PageContent.TextOf(what),
        });
        Writes++;
        _cpus[Writes % _cpus.Length][what % Registers] ^= what;
    }

    private void RegisterUnits()
    {
        for (var i = 0; i < Memory.Count; i++)
        {
            var memory = Memory[i];
            Units.Register(new(UnitKind.Internal, new(memory.Block.Name, 0), 1, memory.Block.Length, ReferenceUnits.Ram(this, i, memory)));
        }
        foreach (var device in Devices())
        {
            Units.Register(new(UnitKind.Device, device.Key, 1, device.Size, ReferenceUnits.Device(device.Size, () => State()[device.Key], state => Load(device, state)))
            {
                Owner = this,
            });
        }
    }

    private void Load(Device device, byte[] state)
    {
        lock (_gate)
        {
            device.Load(state);
            if (_stopped is not null) _stopped[device.Key] = state;
        }
    }

    /// <summary>The devices' state at the stop, or now when there was none.</summary>
    private Dictionary<UnitKey, byte[]> State()
    {
        lock (_gate) return _stopped ?? Devices().ToDictionary(static d => d.Key, static d => d.Save());
    }

    private IEnumerable<Device> Devices()
    {
        yield return new(new("counter", 0), 8, () => Word(Writes), state => Writes = BinaryPrimitives.ReadInt64LittleEndian(state));
        yield return new(new("clock", 0), 8, () => Word(UptimeNow.Ticks), LoadClock);
        yield return new(new("rng", 0), ReferenceRandom.StateSize, SaveRandom, state => _random.Load(state));
        for (var i = 0; i < _cpus.Length; i++)
        {
            var registers = _cpus[i];
            yield return new(
                new("cpu", (uint)i),
                8 * Registers,
                () => System.Runtime.InteropServices.MemoryMarshal.AsBytes<ulong>(registers).ToArray(),
                state => Buffer.BlockCopy(state, 0, registers, 0, state.Length));
        }

        static byte[] Word(long value)
        {
            var state = new byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(state, value);
            return state;
        }

        byte[] SaveRandom()
        {
            var state = new byte[ReferenceRandom.StateSize];
            _random.Save(state);
            return state;
        }

        void LoadClock(byte[] state)
        {
            _ran = new TimeSpan(BinaryPrimitives.ReadInt64LittleEndian(state));
            _runningSince = Time.GetTimestamp();
            // The pace goes on from here: what was written in the life before was written there.
            _paced = _ran.TotalSeconds * Options.Dirty;
        }
    }

    private sealed record Device(UnitKey Key, int Size, Func<byte[]> Save, Action<byte[]> Load);
}
