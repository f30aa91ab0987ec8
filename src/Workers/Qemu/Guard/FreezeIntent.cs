using System.Buffers;
using System.Text.Json;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>
/// What must be put back in a guest, written before the first change to it and removed when everything is back. Whoever finds one whose
/// owners are dead puts the guest back by it.
/// </summary>
internal sealed record FreezeIntent
{
    private const int Version = 1;

    /// <summary>Path of the monitor's socket, absolute.</summary>
    internal required string Socket { get; init; }

    /// <summary>The guest's QEMU; null when its process is not visible.</summary>
    internal ProcessIdentity? Qemu { get; init; }

    /// <summary>Who makes the changes.</summary>
    internal required ProcessIdentity Worker { get; init; }

    /// <summary>
    /// Who undoes them when the worker cannot. While it lives nobody else does; a worker whose guard has died gives up and undoes them
    /// itself.
    /// </summary>
    internal required ProcessIdentity Guard { get; init; }

    /// <summary>The boot the process identities belong to.</summary>
    internal required string Boot { get; init; }

    /// <summary>True when the guest ran before and must run again.</summary>
    internal required bool WasRunning { get; init; }

    /// <summary>Every migration capability as it stood before.</summary>
    internal required IReadOnlyDictionary<string, bool> Capabilities { get; init; }

    /// <summary>Every migration parameter as it stood before.</summary>
    internal required IReadOnlyDictionary<string, JsonElement> Parameters { get; init; }

    /// <summary>True while the guard is in charge of the guest.</summary>
    internal bool IsOwned => Boot == ProcessIdentity.Boot && Guard.IsAlive;

    /// <summary>True when the QEMU it speaks of is certainly not there any more.</summary>
    internal bool IsVoid => Boot != ProcessIdentity.Boot || (Qemu is { } qemu && !qemu.IsAlive);

    internal ReadOnlyMemory<byte> ToJson()
    {
        var buffer = new ArrayBufferWriter<byte>(4096);
        using var writer = new Utf8JsonWriter(buffer);
        writer.WriteStartObject();
        writer.WriteNumber("version", Version);
        writer.WriteString("socket", Socket);
        writer.WriteString("boot", Boot);
        if (Qemu is { } qemu) WriteProcess(writer, "qemu", qemu);
        WriteProcess(writer, "worker", Worker);
        WriteProcess(writer, "guard", Guard);
        writer.WriteBoolean("running", WasRunning);
        writer.WriteStartObject("capabilities");
        foreach (var (name, state) in Capabilities) writer.WriteBoolean(name, state);
        writer.WriteEndObject();
        writer.WriteStartObject("parameters");
        foreach (var (name, value) in Parameters)
        {
            writer.WritePropertyName(name);
            value.WriteTo(writer);
        }
        writer.WriteEndObject();
        writer.WriteEndObject();
        writer.Flush();
        return buffer.WrittenMemory;
    }

    /// <exception cref="SnapshotException">It is not an intent of a version known here.</exception>
    internal static FreezeIntent FromJson(ReadOnlySpan<byte> json, string path)
    {
        try
        {
            var reader = new Utf8JsonReader(json);
            var root = JsonElement.ParseValue(ref reader);
            if (root.GetProperty("version").GetInt32() != Version) throw Unreadable(path);
            return new FreezeIntent
            {
                Socket = root.GetProperty("socket").GetString()!,
                Boot = root.GetProperty("boot").GetString()!,
                Qemu = root.TryGetProperty("qemu", out var qemu) ? ReadProcess(qemu) : null,
                Worker = ReadProcess(root.GetProperty("worker")),
                Guard = ReadProcess(root.GetProperty("guard")),
                WasRunning = root.GetProperty("running").GetBoolean(),
                Capabilities = root.GetProperty("capabilities").EnumerateObject()
                    .ToDictionary(entry => entry.Name, entry => entry.Value.GetBoolean()),
                Parameters = root.GetProperty("parameters").EnumerateObject().ToDictionary(entry => entry.Name, entry => entry.Value),
            };
        }
        catch (Exception wrong) when (wrong is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw Unreadable(path, wrong);
        }
    }

    private static void WriteProcess(Utf8JsonWriter writer, string name, ProcessIdentity process)
    {
        writer.WriteStartObject(name);
        writer.WriteNumber("pid", process.Id);
        writer.WriteNumber("start", process.StartTicks);
        writer.WriteEndObject();
    }

    private static ProcessIdentity ReadProcess(JsonElement process) =>
        new(process.GetProperty("pid").GetInt32(), process.GetProperty("start").GetInt64());

    private static SnapshotException Unreadable(string path, Exception? inner = null) =>
        new(ErrorCode.VerificationFailed, $"{path}: not a freeze intent of this version",
            "see that no guest is left paused, then remove the file", inner);
}
