using System.Text;
using System.Text.Unicode;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Takes a QEMU migration stream apart as it comes in, in bounded memory: pages go to the visitor one by one without a copy, devices are
/// held back until the
/// description at the very end says where each of them ends. Reads streams of QEMU 7.2 to 10.x of a PC (QEMU migration stream, sections 1
/// to 7).
/// </summary>
/// <remarks>
/// <para>Feed it with <see cref="Consume"/> in pieces of any size and close with <see cref="Complete"/>, or leave both to
/// <see cref="ParseAsync"/>. One thread at a
/// time. After an exception the parser is unusable. The stream carries no checksum: structure is checked, contents cannot be.</para>
/// <para>Held at most: one record (a page, a piece of a dirty bitmap), the device part up to
/// <see cref="QemuStreamOptions.DeviceStateLimit"/>, and for a mapped-ram file
/// one bit for each page up to <see cref="MappedBitmapLimit"/>.</para>
/// </remarks>
public sealed partial class QemuStreamParser
{
    /// <summary>Octets of a page where the stream does not say otherwise.</summary>
    public const int DefaultPageSize = 4096;

    /// <summary>Default of <see cref="QemuStreamOptions.DeviceStateLimit"/>.</summary>
    public const int DefaultDeviceStateLimit = 64 << 20;

    /// <summary>The most octets of page bitmaps a mapped-ram file may have: guests up to 8 TiB.</summary>
    public const int MappedBitmapLimit = 256 << 20;

    internal const string FormatName = "QEMU stream";
    internal const string DamagedAdvice = "take the stream again; it has no redundancy it could be repaired from";

    private readonly IQemuStreamVisitor _visitor;
    private readonly QemuStreamOptions _options;
    private byte[] _carry = new byte[2 * DefaultPageSize];
    private int _carried;
    private int _needed;
    private long _recordStart;
    private State _state = State.Header;
    private bool _unusable;

    /// <summary>Creates a parser at the start of a stream.</summary>
    public QemuStreamParser(IQemuStreamVisitor visitor, QemuStreamOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(visitor);
        _visitor = visitor;
        _options = options ?? new QemuStreamOptions();
    }

    // What the next octets are. The order is that of a stream.
    private enum State
    {
        Header,
        Configuration,
        ConfigurationSubsection,
        EarlyDevices,
        Section,
        Block,
        MappedBitmap,
        MappedPages,
        Memory,
        DirtyBitmap,
        Disk,
        DiskData,
        Footer,
        Devices,
    }

    /// <summary>Octets consumed so far.</summary>
    public long Position => _recordStart + _carried;

    /// <summary>
    /// Takes the next octets of the stream, calling the visitor for everything complete in them. A record cut at the end of
    /// <paramref name="data"/> is kept inside.
    /// </summary>
    /// <param name="data">The next octets; not kept after the call.</param>
    /// <returns>Octets taken: all, unless <see cref="IQemuStreamVisitor.IsFull"/>; the caller then makes room and passes the rest
    /// again.</returns>
    /// <exception cref="MalformedInputException">The stream is damaged.</exception>
    /// <exception cref="SnapshotException">The stream uses something that cannot be captured, such as postcopy
    /// (<see cref="ErrorCode.Incompatible"/>).</exception>
    public int Consume(ReadOnlySpan<byte> data)
    {
        ObjectDisposedException.ThrowIf(_unusable, this);
        _unusable = true;
        var taken = 0;
        while (!HasMappedPages)
        {
            if (_carried == 0)
            {
                if (taken == data.Length) break;
                if (Step(data[taken..], out var used))
                {
                    taken += used;
                    _recordStart += used;
                    if (_visitor.IsFull) break;
                    continue;
                }

                Reserve(_needed);
            }

            // Never more than the record needs: what follows it is parsed in place.
            var count = Math.Min(_needed - _carried, data.Length - taken);
            data.Slice(taken, count).CopyTo(_carry.AsSpan(_carried));
            _carried += count;
            taken += count;
            if (_carried < _needed) break;
            if (!Step(_carry.AsSpan(0, _carried), out var done))
            {
                Reserve(_needed);
                continue;
            }

            // Behind early devices more than one record may have been needed to tell what the first one is.
            _recordStart += done;
            _carry.AsSpan(done, _carried - done).CopyTo(_carry);
            _carried -= done;
            _needed = _carried;
            if (_visitor.IsFull) break;
        }

        _unusable = false;
        return taken;
    }

    /// <summary>The stream has ended: cuts and checks the devices.</summary>
    /// <exception cref="MalformedInputException">The stream is cut short or its device part is damaged.</exception>
    public QemuDevicePart Complete()
    {
        ObjectDisposedException.ThrowIf(_unusable, this);
        _unusable = true;
        if (_state == State.EarlyDevices && _hasBlocks)
        {
            Hold(_early[^1].Octets, _carry.AsSpan(0, _carried));
            // All memory came in the first round, so what looked early is everything.
            BeginDevices(_early[^1]);
            _early.RemoveAt(_early.Count - 1);
        }

        if (_state != State.Devices) throw Malformed($"the stream ends in its {_state switch
        {
            State.Header or State.Configuration or State.ConfigurationSubsection => "header",
            State.DirtyBitmap => "dirty bitmaps",
            State.Disk or State.DiskData => "disks",
            State.EarlyDevices => "early devices",
            _ => "memory",
        }}");
        return new DevicePartCutter(_options).Cut(_early, _devices);
    }

    /// <summary>
    /// Handles the next octets in the current state. False, with <see cref="_needed"/> set, when a record is not complete yet; it then
    /// must have changed nothing.
    /// </summary>
    private bool Step(ReadOnlySpan<byte> input, out int used)
    {
        if (_state == State.Memory) return StepMemory(input, out used);
        var cursor = new WireCursor(input);
        var complete = _state switch
        {
            State.Header => StepHeader(ref cursor),
            State.Configuration => StepConfiguration(ref cursor),
            State.ConfigurationSubsection => StepConfigurationSubsection(ref cursor),
            State.EarlyDevices => StepEarlyDevices(ref cursor),
            State.Section => StepSection(ref cursor),
            State.Block => StepBlock(ref cursor),
            State.MappedBitmap => StepMappedBitmap(ref cursor),
            State.MappedPages => StepMappedPages(ref cursor),
            State.DirtyBitmap => StepDirtyBitmap(ref cursor),
            State.Disk => StepDisk(ref cursor),
            State.DiskData => StepDiskData(ref cursor),
            State.Footer => StepFooter(ref cursor),
            _ => StepDevices(ref cursor),
        };
        _needed = cursor.Needed;
        used = cursor.Position;
        return complete;
    }

    private void Reserve(int length)
    {
        if (_carry.Length < length) Array.Resize(ref _carry, Math.Max(length, 2 * _carry.Length));
    }

    private string Text(ReadOnlySpan<byte> octets) =>
        Utf8.IsValid(octets) ? Encoding.UTF8.GetString(octets) : throw Malformed("a name that is not UTF-8");

    private MalformedInputException Malformed(string reason, string? advice = null, Exception? inner = null) =>
        new(FormatName, _recordStart, reason, advice ?? DamagedAdvice, inner);

    /// <summary>The stream is sound but uses what a snapshot cannot hold.</summary>
    private SnapshotException Refused(string reason, string advice) =>
        new(ErrorCode.Incompatible, $"{FormatName}: offset {_recordStart}: {reason}", advice);
}
