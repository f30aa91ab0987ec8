using System.Globalization;
using System.Text;

namespace Cutpoint.Formats.Ssm.Teleport;

/// <summary>The lines source and target exchange around the frames: saved state format, section F.3.</summary>
internal sealed class TeleportLines(Stream connection)
{
    public const string Greeting = "VirtualBox-Teleporter-1.0";
    public const string Acknowledged = "ACK";
    public const string Refused = "NACK=";
    public const int MaxAnswer = 255;
    public const int MaxCommand = 127;

    private readonly byte[] _octet = new byte[1];
    private long _offset;

    /// <summary>Reads a line, octet by octet: what follows it belongs to somebody else.</summary>
    /// <exception cref="SavedStateException">It is longer than allowed, or the connection ends.</exception>
    public async Task<string> ReadAsync(int limit, CancellationToken cancellation)
    {
        var line = new List<byte>(32);
        while (true)
        {
            if (await connection.ReadAsync(_octet, cancellation).ConfigureAwait(false) == 0)
                throw new SavedStateException(SavedStateStatus.EndOfFile, _offset, "the other side has closed the connection");
            _offset++;
            if (_octet[0] == '\n') return Encoding.UTF8.GetString(line.ToArray());
            if (line.Count == limit) throw new SavedStateException(SavedStateStatus.InputOutputFailure, _offset, $"a line of more than {limit} octets");
            line.Add(_octet[0]);
        }
    }

    public ValueTask WriteAsync(string line, CancellationToken cancellation) =>
        connection.WriteAsync(Encoding.UTF8.GetBytes(line + "\n"), cancellation);

    public ValueTask RefuseAsync(SavedStateStatus status, string? message, CancellationToken cancellation)
    {
        var line = Refused + ((int)status).ToString(CultureInfo.InvariantCulture);
        if (message is not null) line += ";" + message.Replace('\n', '\r');
        while (Encoding.UTF8.GetByteCount(line) > MaxAnswer) line = line[..^1];
        return WriteAsync(line, cancellation);
    }

    /// <summary>Reads an answer.</summary>
    /// <exception cref="TeleportRefusedException">The other side refuses.</exception>
    public async Task ExpectAcknowledgementAsync(CancellationToken cancellation)
    {
        var answer = await ReadAsync(MaxAnswer, cancellation).ConfigureAwait(false);
        if (answer == Acknowledged) return;
        if (!answer.StartsWith(Refused, StringComparison.Ordinal)) throw new SavedStateException(SavedStateStatus.InputOutputFailure, _offset, $"'{answer}' is no answer");
        var (number, message) = answer[Refused.Length..].Split(';', 2) is [var first, var second] ? (first, second.Replace('\r', '\n')) : (answer[Refused.Length..], "");
        if (!int.TryParse(number, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var status))
            throw new SavedStateException(SavedStateStatus.InputOutputFailure, _offset, $"'{answer}' is no answer");
        throw new TeleportRefusedException((SavedStateStatus)status, message);
    }
}
