using System.Text;
using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Monitor;

/// <summary>
/// Cuts what a monitor sends into lines of JSON, in one buffer that grows up to <see cref="QmpClient.MaxLineLength"/>. What it hands out can be read without
/// surprises: every name and text in it is valid. Not safe for concurrent use, but for <see cref="HasPartialLine"/>.
/// </summary>
/// <param name="path">The monitor's socket; used in errors.</param>
internal sealed class QmpLines(string path)
{
    private const int ShownOctets = 60;

    private byte[] _buffer = new byte[8192];
    private int _start;
    private int _end;

    /// <summary>Where the next octets go; never empty.</summary>
    internal Memory<byte> Room => _buffer.AsMemory(_end);

    /// <summary>True when a line has begun that has not ended.</summary>
    internal bool HasPartialLine => Volatile.Read(ref _end) > Volatile.Read(ref _start);

    /// <summary>Takes octets that were put into <see cref="Room"/>.</summary>
    /// <param name="count">How many.</param>
    /// <param name="take">Gets every line that is complete, in order.</param>
    /// <exception cref="QmpException">A line is no JSON, or too long.</exception>
    internal void Take(int count, Action<JsonElement> take)
    {
        var searched = _end;
        _end += count;
        while (_buffer.AsSpan(searched, _end - searched).IndexOf((byte)'\n') is >= 0 and var length)
        {
            var line = _buffer.AsSpan(_start, searched + length - _start);
            _start = searched = searched + length + 1;
            if (!line.Trim(" \r\t"u8).IsEmpty) take(Parse(line));
        }
        MakeRoom();
    }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            (_start, _end) = (0, _end - _start);
        }
        if (_end < _buffer.Length) return;
        if (_buffer.Length >= QmpClient.MaxLineLength)
            throw QmpException.Garbage(path, $"a line of more than {QmpClient.MaxLineLength} octets");
        Array.Resize(ref _buffer, Math.Min(_buffer.Length * 2, QmpClient.MaxLineLength));
    }

    private JsonElement Parse(ReadOnlySpan<byte> line)
    {
        try
        {
            // JSON may escape half a surrogate pair, and the parser takes octets that are no UTF-8: both would throw where a text is read.
            if (line.IndexOf("\\u"u8) >= 0 || !System.Text.Unicode.Utf8.IsValid(line)) CheckTexts(line);
            var reader = new Utf8JsonReader(line);
            var element = JsonElement.ParseValue(ref reader);
            // Throws when something follows the value.
            while (reader.Read())
            {
            }
            return element;
        }
        catch (Exception wrong) when (wrong is JsonException or InvalidOperationException)
        {
            var text = Encoding.UTF8.GetString(line[..Math.Min(line.Length, ShownOctets)]);
            throw QmpException.Garbage(path, $"something that is not QMP: '{Printable(text)}'");
        }
    }

    private static void CheckTexts(ReadOnlySpan<byte> line)
    {
        var reader = new Utf8JsonReader(line);
        while (reader.Read())
        {
            if (reader.TokenType is JsonTokenType.String or JsonTokenType.PropertyName) _ = reader.GetString();
        }
    }

    private static string Printable(string text) => string.Concat(text.Select(c => char.IsControl(c) ? '.' : c));
}
