using System.Text.Json;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// Reads the description's JSON token by token, so that duplicate keys need no special care and hostile nesting no stack.
/// </summary>
internal ref struct VmDescriptionReader
{
    /// <summary>Deepest JSON nesting. A structure in a structure costs three levels; QEMU's deepest have about ten structures.</summary>
    private const int DepthLimit = 96;

    /// <summary>The most fields and subsections in one description. Usual ones have 3000.</summary>
    private const int NodeLimit = 1 << 20;

    private readonly ReadOnlyMemory<byte> _json;
    private readonly long _streamOffset;
    private Utf8JsonReader _reader;
    private int _nodes;

    private VmDescriptionReader(ReadOnlyMemory<byte> json, long streamOffset)
    {
        _json = json;
        _streamOffset = streamOffset;
        _reader = new Utf8JsonReader(json.Span, new JsonReaderOptions { MaxDepth = DepthLimit });
    }

    public static VmDescription Read(ReadOnlyMemory<byte> json, long streamOffset)
    {
        var reader = new VmDescriptionReader(json, streamOffset);
        try
        {
            return reader.ReadDocument();
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            // InvalidOperationException: a string that is no UTF-8.
            throw reader.Malformed("not JSON", e);
        }
    }

    public static DeviceDescription ReadDevice(ReadOnlyMemory<byte> json)
    {
        var reader = new VmDescriptionReader(json, 0);
        try
        {
            reader.CheckLength();
            reader._reader.Read();
            var device = reader.ReadDevice();
            reader.ExpectEnd();
            return device;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw reader.Malformed("not JSON", e);
        }
    }

    private VmDescription ReadDocument()
    {
        CheckLength();
        _reader.Read();
        ExpectObject();
        var pageSize = 0;
        StateDescription? configuration = null;
        List<DeviceDescription>? devices = null;
        while (NextKey())
        {
            if (_reader.ValueTextEquals("page_size"u8))
            {
                pageSize = ReadInt(1 << 10, 1 << 16);
            }
            else if (_reader.ValueTextEquals("configuration"u8))
            {
                _reader.Read();
                configuration = ReadState();
            }
            else if (_reader.ValueTextEquals("devices"u8))
            {
                devices = [];
                ReadArrayStart();
                while (NextElement()) devices.Add(ReadDevice());
            }
            else
            {
                SkipValue();
            }
        }

        ExpectEnd();
        if (pageSize == 0 || (pageSize & (pageSize - 1)) != 0) throw Malformed("no page_size that is a power of two");
        if (devices is null) throw Malformed("no devices");
        return new VmDescription(pageSize, configuration, devices, _json);
    }

    private DeviceDescription ReadDevice()
    {
        var start = checked((int)_reader.TokenStartIndex);
        var content = ReadContent();
        if (content.Name is null) throw Malformed("device without a name");
        var json = _json[start..checked((int)_reader.BytesConsumed)];
        return new DeviceDescription(content.Name, content.Instance, content.ToState(), json);
    }

    private StateDescription ReadState() => ReadContent().ToState();

    private FieldDescription ReadField()
    {
        var content = ReadContent();
        if (content.Name is null || content.Type is null || content.Size < 0) throw Malformed("field without name, type or size");
        return new FieldDescription(content.Name, content.Type, content.Size)
        {
            ArrayLength = content.ArrayLength,
            Index = content.Index,
            State = content.Type switch
            {
                "struct" => content.Struct,
                "vstruct" or "tmp" when content.Fields is not null => content.ToState(),
                _ => null,
            },
        };
    }

    /// <summary>
    /// Reads the object the reader stands on. Devices, states and fields share one set of keys, and some fields carry a state's keys
    /// themselves.
    /// </summary>
    private ObjectContent ReadContent()
    {
        if (++_nodes > NodeLimit) throw Malformed($"more than {NodeLimit} fields");
        ExpectObject();
        var content = new ObjectContent();
        while (NextKey())
        {
            if (_reader.ValueTextEquals("name"u8)) content.Name = ReadString();
            else if (_reader.ValueTextEquals("vmsd_name"u8)) content.StateName = ReadString();
            else if (_reader.ValueTextEquals("type"u8)) content.Type = ReadString();
            else if (_reader.ValueTextEquals("instance_id"u8)) content.Instance = (uint)ReadInteger(0, uint.MaxValue);
            else if (_reader.ValueTextEquals("version"u8)) content.Version = ReadInt(int.MinValue, int.MaxValue);
            else if (_reader.ValueTextEquals("size"u8)) content.Size = ReadInt(0, int.MaxValue);
            else if (_reader.ValueTextEquals("array_len"u8)) content.ArrayLength = ReadInt(0, int.MaxValue);
            else if (_reader.ValueTextEquals("index"u8)) content.Index = ReadInt(0, int.MaxValue);
            else if (_reader.ValueTextEquals("struct"u8))
            {
                _reader.Read();
                content.Struct = ReadState();
            }
            else if (_reader.ValueTextEquals("fields"u8))
            {
                content.Fields = [];
                ReadArrayStart();
                while (NextElement()) content.Fields.Add(ReadField());
            }
            else if (_reader.ValueTextEquals("subsections"u8))
            {
                content.Subsections = [];
                ReadArrayStart();
                while (NextElement()) content.Subsections.Add(ReadState());
            }
            else SkipValue();
        }

        return content;
    }

    private readonly void CheckLength()
    {
        if (_json.Length > VmDescription.LengthLimit) throw Malformed($"{_json.Length} octets; the limit is {VmDescription.LengthLimit}");
    }

    private readonly void ExpectObject()
    {
        if (_reader.TokenType != JsonTokenType.StartObject) throw Malformed("expected an object");
    }

    private void ExpectEnd()
    {
        if (_reader.Read()) throw Malformed("octets behind the description");
    }

    private bool NextKey()
    {
        _reader.Read();
        return _reader.TokenType == JsonTokenType.PropertyName;
    }

    private void ReadArrayStart()
    {
        _reader.Read();
        if (_reader.TokenType != JsonTokenType.StartArray) throw Malformed("expected an array");
    }

    private bool NextElement()
    {
        _reader.Read();
        return _reader.TokenType != JsonTokenType.EndArray;
    }

    private void SkipValue()
    {
        _reader.Read();
        _reader.Skip();
    }

    private string ReadString()
    {
        _reader.Read();
        return _reader.TokenType == JsonTokenType.String ? _reader.GetString()! : throw Malformed("expected a string");
    }

    private int ReadInt(int least, int most) => (int)ReadInteger(least, most);

    private long ReadInteger(long least, long most)
    {
        _reader.Read();
        return _reader.TokenType == JsonTokenType.Number && _reader.TryGetInt64(out var value) && value >= least && value <= most
            ? value
            : throw Malformed($"expected a number from {least} to {most}");
    }

    private readonly MalformedInputException Malformed(string reason, Exception? inner = null) => new(
        QemuStreamParser.FormatName, _streamOffset + _reader.TokenStartIndex, $"device description: {reason}",
        QemuStreamParser.DamagedAdvice, inner);

    private sealed class ObjectContent
    {
        public string? Name;
        public string? StateName;
        public string? Type;
        public uint Instance;
        public int Version;
        public int Size = -1;
        public int? ArrayLength;
        public int? Index;
        public StateDescription? Struct;
        public List<FieldDescription>? Fields;
        public List<StateDescription>? Subsections;

        public StateDescription ToState() => new(StateName ?? "", Version, Fields ?? [], Subsections ?? []);
    }
}
