using static Cutpoint.Formats.Qemu.QemuWire;

namespace Cutpoint.Formats.Qemu;

/// <content>Header, configuration and the frame of sections: QEMU migration stream, section 1.</content>
public sealed partial class QemuStreamParser
{
    private const int MachineNameLimit = 1024;
    private const int CapabilityLimit = 64;
    private const int SectionLimit = 64;

    /// <summary>The command of that name with its length, without its mark.</summary>
    private static ReadOnlySpan<byte> SwitchoverStart => [0, (byte)CommandNumber.SwitchoverStart, 0, 0];

    private readonly Dictionary<uint, string> _sections = [];
    private QemuConfiguration? _configuration;
    private QemuSectionKind _sectionKind;
    private uint _sectionId;
    private string _sectionName = "";
    private int _pageSize = DefaultPageSize;

    private bool StepHeader(ref WireCursor cursor)
    {
        if (!cursor.TryRead32(out var magic)) return false;
        if (magic == MultifdMagic) throw Refused("this is an extra channel of a multifd migration", "turn the capability multifd off");
        if (magic != Magic)
            throw Malformed($"not a migration stream: it begins with {magic:x8}", "decompress it first if it is compressed");
        if (!cursor.TryRead32(out var version)) return false;
        if (version != QemuWire.Version) throw Malformed($"stream version {version}; only version {QemuWire.Version} is in use");
        _state = State.Configuration;
        return true;
    }

    private bool StepConfiguration(ref WireCursor cursor)
    {
        if (!cursor.TryRead8(out var mark)) return false;
        if (mark != QemuWire.Configuration)
            throw Malformed("no configuration section", "machine types of version 2.3 and older, which send none, are not supported");
        if (!cursor.TryRead32(out var length)) return false;
        if (length > MachineNameLimit) throw Malformed($"machine name of {length} octets");
        if (!cursor.TryRead((int)length, out var name)) return false;
        _configuration = new QemuConfiguration(Text(name));
        _state = State.ConfigurationSubsection;
        return true;
    }

    private bool StepConfigurationSubsection(ref WireCursor cursor)
    {
        var peek = cursor;
        if (!cursor.TryRead8(out var mark)) return false;
        if (mark != Subsection)
        {
            cursor = peek;
            _pageSize = _configuration!.PageSize;
            _visitor.OnConfiguration(_configuration);
            _state = State.Section;
            return true;
        }

        if (!cursor.TryReadName(out var octets) || !cursor.TryRead32(out var version)) return false;
        var name = Text(octets);
        if (version != ConfigurationPartVersion) throw Malformed($"{name} has version {version}");
        switch (name)
        {
            case PageBits:
                if (!cursor.TryRead32(out var bits)) return false;
                if (bits is < 10 or > 16) throw Malformed($"pages of 2^{bits} octets");
                _configuration = _configuration! with { TargetPageBits = (int)bits };
                return true;
            case QemuWire.Capabilities:
                if (!cursor.TryRead32(out var count)) return false;
                if (count > CapabilityLimit) throw Malformed($"{count} capabilities");
                var capabilities = new string[count];
                for (var i = 0; i < capabilities.Length; i++)
                {
                    if (!cursor.TryReadName(out var capability)) return false;
                    capabilities[i] = Text(capability);
                }

                _configuration = _configuration! with { Capabilities = capabilities };
                return true;
            case Uuid:
                if (!cursor.TryRead(UuidLength, out var uuid)) return false;
                _configuration = _configuration! with { Uuid = uuid.ToArray() };
                return true;
            default:
                throw Malformed($"unknown part '{name}' of the configuration");
        }
    }

    private bool StepSection(ref WireCursor cursor)
    {
        var start = cursor;
        if (!cursor.TryRead8(out var type)) return false;
        switch (type)
        {
            case (byte)QemuSectionKind.Start:
                return StepSectionStart(ref cursor);
            case (byte)QemuSectionKind.Part or (byte)QemuSectionKind.End:
                if (!cursor.TryRead32(out var id)) return false;
                if (!_sections.TryGetValue(id, out var name)) throw Malformed($"part of section {id}, which was not started");
                _hasRounds = true;
                BeginPayload((QemuSectionKind)type, id, name);
                return true;
            case (byte)QemuSectionKind.Full when !_hasRounds:
                if (_early.Count == SectionLimit) throw Malformed("devices all over the stream");
                cursor = start;
                _early.Add(new DeviceRegion { Start = _recordStart });
                _state = State.EarlyDevices;
                return true;
            case (byte)QemuSectionKind.Full or EndOfStream:
                cursor = start;
                BeginDevices(new DeviceRegion { Start = _recordStart });
                return true;
            case Command:
                return StepCommand(ref cursor);
            default:
                throw Malformed($"unknown section type {type:x2}");
        }
    }

    private bool StepSectionStart(ref WireCursor cursor)
    {
        if (!cursor.TryRead32(out var id) || !cursor.TryReadName(out var octets) ||
            !cursor.TryRead32(out var instance) || !cursor.TryRead32(out var version)) return false;
        var name = Text(octets);
        // The device's own name, behind its place.
        if (name == "vfio" || name.EndsWith("/vfio", StringComparison.Ordinal))
            throw Refused("a passed-through device (vfio) is part of the stream", "detach the device before the capture");
        if (KnownVersion(octets) is not { } known)
            throw Refused($"section '{name}' is of a kind that is not supported", "capture a pc or q35 guest without such a device");
        if (version != known) throw Refused($"section '{name}' has version {version}, known is {known}", "use QEMU 7.2 to 10.x");
        if (instance != 0) throw Malformed($"section '{name}' has instance {instance}");
        if (_sections.ContainsKey(id) || _sections.ContainsValue(name) || _sections.Count == SectionLimit)
            throw Malformed($"section {id} '{name}' is started twice");
        _sections.Add(id, name);
        BeginPayload(QemuSectionKind.Start, id, name);
        return true;
    }

    /// <summary>The version in use of what is sent in rounds, or null for a kind that is not known.</summary>
    private static uint? KnownVersion(ReadOnlySpan<byte> name) =>
        name.SequenceEqual("ram"u8) ? RamVersion
        : name.SequenceEqual("dirty-bitmap"u8) ? DirtyBitmapVersion
        : name.SequenceEqual("block"u8) ? DiskVersion : null;

    private void BeginPayload(QemuSectionKind kind, uint id, string name)
    {
        _sectionKind = kind;
        _sectionId = id;
        _sectionName = name;
        _state = name switch
        {
            Ram => State.Memory,
            QemuWire.Disk => State.Disk,
            _ => State.DirtyBitmap,
        };
        _visitor.OnSectionStart(kind, name);
    }

    private bool StepFooter(ref WireCursor cursor)
    {
        if (!cursor.TryRead8(out var mark)) return false;
        if (mark != Footer) throw Malformed($"no footer behind section '{_sectionName}'");
        if (!cursor.TryRead32(out var id)) return false;
        if (id != _sectionId) throw Malformed($"the footer of section {_sectionId} '{_sectionName}' names section {id}");
        _state = State.Section;
        _visitor.OnSectionEnd(_sectionKind, _sectionName);
        return true;
    }

    private bool StepCommand(ref WireCursor cursor)
    {
        if (!cursor.TryRead16(out var command) || !cursor.TryRead16(out var length)) return false;
        int expected = command switch
        {
            // Opening a return path, a ping on it, and the announcement of the switchover: nothing a reader of a file has to do.
            CommandNumber.OpenReturnPath or CommandNumber.SwitchoverStart => 0,
            CommandNumber.Ping => sizeof(uint),
            // Dirty bitmaps may be sent after the switchover; without data nothing else is.
            CommandNumber.PostcopyAdvise when length == 0 => 0,
            CommandNumber.PostcopyAdvise or CommandNumber.PostcopyListen or CommandNumber.PostcopyRun or CommandNumber.PostcopyDiscard
                or CommandNumber.Packaged or CommandNumber.PostcopyResume or CommandNumber.ReceiveBitmap => throw Refused(
                "this is a postcopy migration, whose memory is fetched on demand", "turn the capability postcopy-ram off"),
            CommandNumber.EnableColo => throw Refused("this is a COLO migration, which never ends", "turn the capability x-colo off"),
            _ => throw Malformed($"unknown command {command}"),
        };
        if (length != expected) throw Malformed($"command {command} has {length} octets, {expected} are right");
        return cursor.TryRead(length, out _);
    }
}
