using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Cutpoint.Formats.Qemu;

namespace Cutpoint.Formats.Elf;

/// <summary>
/// The note a guest's kernel offers to readers of dumps: what its structures look like and where they are. The kernel writes it into its memory and tells
/// QEMU's vmcoreinfo device where.
/// </summary>
/// <param name="Address">Guest-physical address of the note.</param>
/// <param name="Length">Octets the kernel has put aside for it; the note's own header says how many it has.</param>
public readonly record struct VmCoreInfo(ulong Address, int Length)
{
    /// <summary>Owner of the note.</summary>
    public const string NoteName = "VMCOREINFO";

    /// <summary>The most octets a note may have: as in QEMU.</summary>
    public const int MaxLength = 1 << 20;

    private const string DeviceName = "vmcoreinfo";
    private const int ElfFormat = 1;

    /// <summary>Finds the note by the state of the device.</summary>
    /// <param name="devices">The guest's devices.</param>
    /// <param name="found">Where the note is.</param>
    /// <param name="reason">Why there is none, when the device is there and could have named one; else null.</param>
    public static bool TryFind(IEnumerable<DeviceSection> devices, out VmCoreInfo found, out string? reason)
    {
        ArgumentNullException.ThrowIfNull(devices);
        (found, reason) = (default, null);
        if (devices.FirstOrDefault(device => device is { Name: DeviceName, Payload.Length: 17 }) is not { } device) return false;
        // has_vmcoreinfo, host_format, guest_format, size, address.
        var state = device.Payload.Span;
        var format = BinaryPrimitives.ReadUInt16BigEndian(state[3..]);
        var size = BinaryPrimitives.ReadUInt32BigEndian(state[5..]);
        if (state[0] == 0) reason = "the guest's kernel has not written its note";
        else if (format != ElfFormat) reason = $"the guest's note is of format {format}, not an ELF note";
        else if (size is < ElfNotes.HeaderLength or > MaxLength) reason = $"the guest's note has an impossible size of {size} octets";
        if (reason is not null) return false;
        found = new VmCoreInfo(BinaryPrimitives.ReadUInt64BigEndian(state[9..]), (int)size);
        return true;
    }

    /// <summary>Reads the note from the octets at its place.</summary>
    /// <param name="octets">The guest's memory there.</param>
    /// <param name="isBigEndian">The guest's order of octets.</param>
    /// <returns>The note, or null when the guest's memory holds none there.</returns>
    public static ElfNote? Read(ReadOnlyMemory<byte> octets, bool isBigEndian)
    {
        // The guest wrote it, so it may be anything.
        if (octets.Length < ElfNotes.HeaderLength) return null;
        var order = new WordOrder(isBigEndian);
        var nameLength = order.Get32(octets.Span);
        var length = order.Get32(octets.Span[4..]);
        if (nameLength > MaxLength || length > MaxLength) return null;
        var whole = ElfNotes.HeaderLength + (int)((nameLength + 3) & ~3u) + (int)((length + 3) & ~3u);
        if (whole > octets.Length) return null;
        try
        {
            return ElfNotes.Read(octets[..whole], isBigEndian, 0) is [{ Name.Length: > 0 } note] ? note : null;
        }
        catch (MalformedInputException)
        {
            return null;
        }
    }

    /// <summary>A number of a note's text: the line "NUMBER(name)=value", signed and decimal, or hexadecimal with 0x.</summary>
    public static long? Number(ElfNote note, string name)
    {
        ArgumentNullException.ThrowIfNull(note);
        var key = $"NUMBER({name})=";
        var line = Lines(note).FirstOrDefault(line => line.StartsWith(key, StringComparison.Ordinal));
        if (line is null) return null;
        var value = line.AsSpan(key.Length);
        if (value.StartsWith("0x", StringComparison.Ordinal))
            return ulong.TryParse(value[2..], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var bits) ? (long)bits : null;
        return long.TryParse(value, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null;
    }

    /// <summary>The lines of a note's text.</summary>
    public static IEnumerable<string> Lines(ElfNote note)
    {
        ArgumentNullException.ThrowIfNull(note);
        return Encoding.Latin1.GetString(note.Contents.Span).Split(['\n', '\0'], StringSplitOptions.RemoveEmptyEntries);
    }
}
