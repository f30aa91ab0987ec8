using System.Collections;

namespace Cutpoint.Formats.Qemu;

/// <summary>The fields of one device section in stream order: names, types, offsets and values. Immutable.</summary>
public sealed class DeviceFields : IReadOnlyList<DeviceField>
{
    private readonly DeviceField[] _fields;

    private DeviceFields(DeviceField[] fields) => _fields = fields;

    /// <inheritdoc/>
    public int Count => _fields.Length;

    /// <inheritdoc/>
    public DeviceField this[int index] => _fields[index];

    /// <summary>Splits a section into its fields. A section that is not described becomes the one field "data".</summary>
    /// <exception cref="MalformedInputException">Sizes or subsection headers do not match the payload.</exception>
    public static DeviceFields Read(DeviceSection section) => throw new NotSupportedException();

    /// <summary>Finds a field by its path.</summary>
    public bool TryGet(string path, out DeviceField field) => throw new NotSupportedException();

    /// <inheritdoc/>
    public IEnumerator<DeviceField> GetEnumerator() => ((IEnumerable<DeviceField>)_fields).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
