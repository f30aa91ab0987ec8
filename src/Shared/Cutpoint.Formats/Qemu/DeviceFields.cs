using System.Collections;

namespace Cutpoint.Formats.Qemu;

/// <summary>
/// The fields of one device section in stream order: names, types, offsets and values. Structures and arrays are taken apart down to
/// their numbers; arrays of single
/// octets stay whole. Immutable.
/// </summary>
public sealed class DeviceFields : IReadOnlyList<DeviceField>
{
    private readonly List<DeviceField> _fields;
    private Dictionary<string, int>? _byPath;

    private DeviceFields(List<DeviceField> fields) => _fields = fields;

    /// <inheritdoc/>
    public int Count => _fields.Count;

    /// <inheritdoc/>
    public DeviceField this[int index] => _fields[index];

    /// <summary>Splits a section into its fields. A section that is not described becomes the one field "data".</summary>
    /// <exception cref="MalformedInputException">Sizes or subsection headers do not match the payload.</exception>
    public static DeviceFields Read(DeviceSection section)
    {
        ArgumentNullException.ThrowIfNull(section);
        return section is { IsDescribed: true, Description: { } description }
            ? new DeviceFields(new DeviceFieldWalk(section).Run(description.State))
            : new DeviceFields([new DeviceField("data", "buffer", 0, section.Payload)]);
    }

    /// <summary>Finds a field by its path; the first, if a path occurs twice.</summary>
    public bool TryGet(string path, out DeviceField field)
    {
        if (_byPath is null)
        {
            var byPath = new Dictionary<string, int>(_fields.Count, StringComparer.Ordinal);
            for (var i = 0; i < _fields.Count; i++) byPath.TryAdd(_fields[i].Path, i);
            // Two threads may both get here; they build the same.
            _byPath = byPath;
        }

        var found = _byPath.TryGetValue(path, out var index);
        field = found ? _fields[index] : default;
        return found;
    }

    /// <inheritdoc/>
    public IEnumerator<DeviceField> GetEnumerator() => _fields.GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
