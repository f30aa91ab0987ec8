using System.Text;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>
/// The argument of a QEMU option: properties parted by commas, "name=value" or a bare value in front; a comma inside a value is doubled.
/// Keeps the order.
/// </summary>
internal sealed class QemuProperties
{
    private readonly List<(string? Name, string Value)> _entries = [];

    /// <summary>The bare value in front, such as a type; null when there is none.</summary>
    internal string? First
    {
        get => _entries.Count > 0 && _entries[0].Name is null ? _entries[0].Value : null;
        set => _entries[0] = (null, value!);
    }

    internal string? this[string name]
    {
        // The last one wins, as in QEMU.
        get => _entries.FindLast(entry => entry.Name == name).Value;
        set
        {
            var at = _entries.FindIndex(entry => entry.Name == name);
            _entries.RemoveAll(entry => entry.Name == name);
            if (value is not null) _entries.Insert(at < 0 ? _entries.Count : at, (name, value));
        }
    }

    internal static QemuProperties Parse(string text)
    {
        var properties = new QemuProperties();
        foreach (var part in Split(text))
        {
            var equals = part.IndexOf('=', StringComparison.Ordinal);
            if (equals >= 0) properties._entries.Add((part[..equals], part[(equals + 1)..]));
            else properties._entries.Add((null, part));
        }
        return properties;
    }

    /// <summary>True for a switch given as "name", "name=on", "name=yes" or "name=true".</summary>
    internal bool IsOn(string name) =>
        this[name] is "on" or "yes" or "true" or "y" || _entries.Exists(entry => entry.Name is null && entry.Value == name);

    internal void RemoveSwitch(string name)
    {
        this[name] = null;
        _entries.RemoveAll(entry => entry.Name is null && (entry.Value == name || entry.Value == "no" + name));
    }

    public override string ToString() => string.Join(',', _entries.Select(entry =>
    {
        var value = entry.Value.Replace(",", ",,", StringComparison.Ordinal);
        return entry.Name is null ? value : $"{entry.Name}={value}";
    }));

    private static List<string> Split(string text)
    {
        var parts = new List<string>();
        var part = new StringBuilder();
        for (var i = 0; i < text.Length; i++)
        {
            if (text[i] != ',')
            {
                part.Append(text[i]);
            }
            else if (i + 1 < text.Length && text[i + 1] == ',')
            {
                part.Append(',');
                i++;
            }
            else
            {
                parts.Add(part.ToString());
                part.Clear();
            }
        }
        parts.Add(part.ToString());
        return parts;
    }
}
