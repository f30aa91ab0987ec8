using System.Globalization;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>Reads the answer of the monitor command "info ramblock".</summary>
internal static class RamBlockTable
{
    /// <summary>The blocks in QEMU's order, which is that of a stream.</summary>
    /// <exception cref="SnapshotException">The text is not such a table.</exception>
    internal static IReadOnlyList<RamBlock> Parse(string text)
    {
        var blocks = new List<RamBlock>();
        foreach (var line in text.Split('\n').Skip(1))
        {
            if (string.IsNullOrWhiteSpace(line)) continue;
            // Name, page size in two words, offset, used, total; since 8.2 also the host's address and "ro" or "rw". The name is
            // right-aligned and may hold spaces, so the page size is looked for from the right.
            var words = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            var size = Array.FindLastIndex(words, word => word is "B" or "KiB" or "MiB" or "GiB" or "TiB") - 1;
            if (size < 0 || words.Length < size + 5 || !TryHex(words[size + 3], out var used)) throw Unreadable(line);
            // Without a name it is no migratable block: a backend nobody uses, or a device's own business.
            if (size == 0) continue;
            if (used % Paging.PageSize != 0) throw Unreadable(line);
            var name = string.Join(' ', words[..size]);
            blocks.Add(new RamBlock(name, used, IsRom(name)));
        }
        return blocks.Count > 0 ? blocks : throw Unreadable(text);
    }

    /// <summary>
    /// Firmware, option ROMs and the tables QEMU makes for the firmware. The guest cannot write them by itself, so no write to them can be
    /// lost.
    /// </summary>
    internal static bool IsRom(string name) =>
        name is "pc.bios" or "pc.rom"
        || name.StartsWith("/rom@", StringComparison.Ordinal) || name.EndsWith(".rom", StringComparison.Ordinal);

    private static bool TryHex(string text, out long value)
    {
        value = 0;
        return text.StartsWith("0x", StringComparison.Ordinal)
            && long.TryParse(text.AsSpan(2), NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value) && value >= 0;
    }

    private static SnapshotException Unreadable(string text) =>
        new(ErrorCode.Incompatible, $"the answer to 'info ramblock' is not understood: '{text.Trim()}'",
            "report it with the version of QEMU");
}
