using System.Text;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Fuzz.Targets;

/// <summary>Lines of a QEMU monitor, in pieces of any size: greeting, events, answers, errors.</summary>
public sealed class QmpTarget : FuzzTarget
{
    public override string Name => "qmp";

    public override bool DetectsTruncation => false;

    public override bool HasOffsets => false;

    public override IReadOnlyList<byte[]> Words { get; } =
    [
        .. VmDescriptionTarget.JsonWords,
        .. new[] { "\n", "\r\n", "\"return\":", "\"error\":", "\"event\":", "\"timestamp\":", "\"seconds\":", "\"id\":", "\"QMP\":", "\"version\":" }.Select(Encoding.ASCII.GetBytes),
    ];

    public override void Read(byte[] octets, Random random)
    {
        var lines = new QmpLines("monitor");
        for (var at = 0; at < octets.Length;)
        {
            var length = Math.Min(Math.Min(octets.Length - at, lines.Room.Length), 1 + random.Next(1 << random.Next(14)));
            octets.AsSpan(at, length).CopyTo(lines.Room.Span);
            at += length;
            lines.Take(length, line =>
            {
                _ = QmpGreeting.TryParse(line)?.Version.Major;
                var message = QmpMessage.Parse(line);
                _ = message.Event?.Text("status")?.Length + message.Event?.Timestamp.Ticks + message.ErrorText?.Length;
            });
        }
    }

    protected override IEnumerable<byte[]> Golden()
    {
        yield return Encoding.UTF8.GetBytes("""
            {"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian 1:7.2+dfsg-7+deb12u18"}, "capabilities": ["oob"]}}
            {"return": {}, "id": 1}
            {"timestamp": {"seconds": 1764086400, "microseconds": 123456}, "event": "MIGRATION", "data": {"status": "setup"}}
            {"return": {"status": "active", "total-time": 12, "ram": {"total": 541597696, "dirty-sync-count": 1, "mbps": 0}, "x": [1.5, -2, null, true]}, "id": 2}
            {"timestamp": {"seconds": -1, "microseconds": -1}, "event": "STOP"}
            {"id": 3, "error": {"class": "GenericError", "desc": "Expected '}' in JSON, \u00e9\ud83d\ude00"}}

            """);
        // A line that does not fit the first buffer.
        yield return Encoding.UTF8.GetBytes($$"""{"return": "{{new string('x', 20_000)}}", "id": 4}""" + "\r\n");
    }
}
