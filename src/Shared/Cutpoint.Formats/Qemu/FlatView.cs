using System.Globalization;
using System.Text.RegularExpressions;

namespace Cutpoint.Formats.Qemu;

/// <summary>The answer of the monitor command "info mtree -f": one view per address space, one line per range.</summary>
internal static partial class FlatView
{
    private const string Format = "info mtree -f";
    private const int MaxRanges = 1 << 16;

    /// <summary>The RAM of the address space "memory", in the order of its addresses.</summary>
    internal static List<PhysicalRange> Parse(string text, IReadOnlyList<QemuRamBlock> blocks)
    {
        var ranges = new List<PhysicalRange>();
        var found = false;
        var offset = 0;
        var inMemory = false;
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("FlatView #", StringComparison.Ordinal))
            {
                if (found) break;
                inMemory = false;
            }
            else if (line.StartsWith(" AS \"memory\",", StringComparison.Ordinal))
            {
                found = inMemory = true;
            }
            else if (inMemory && Range().Match(line) is { Success: true } match)
            {
                if (ranges.Count == MaxRanges) throw new MalformedInputException(Format, offset, $"more than {MaxRanges} ranges");
                if (TryRange(match, blocks) is { } range) ranges.Add(range);
            }
            offset += line.Length + 1;
        }
        return found ? ranges : throw new MalformedInputException(Format, 0, "no address space \"memory\" in it");
    }

    private static PhysicalRange? TryRange(Match match, IReadOnlyList<QemuRamBlock> blocks)
    {
        // "ram", "rom", "romd" (flash that can be read); "i/o" and "ramd" (a passed-through device) are no blocks of the guest.
        var kind = match.Groups["kind"].Value;
        if (kind is not ("ram" or "rom" or "romd")) return null;
        var (first, last) = (Hex(match.Groups["first"]), Hex(match.Groups["last"]));
        if (last < first || Find(match.Groups["name"].Value, blocks) is not { } block) return null;
        var from = match.Groups["offset"].Success ? Hex(match.Groups["offset"]) : 0;
        return from > long.MaxValue ? null : new PhysicalRange(first, last - first + 1, block, (long)from, kind != "ram");
    }

    /// <summary>
    /// A region is called as its block, or, for a device's memory, as the part of the block's name behind the device. Null when that fits
    /// several.
    /// </summary>
    private static string? Find(string region, IReadOnlyList<QemuRamBlock> blocks)
    {
        string? found = null;
        foreach (var block in blocks)
        {
            if (block.Name == region) return region;
            if (!block.Name.EndsWith("/" + region, StringComparison.Ordinal)) continue;
            if (found is not null) return null;
            found = block.Name;
        }
        return found;
    }

    private static ulong Hex(Group group) => ulong.Parse(group.ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    // "  0000000000100000-0000000000ffffff (prio 0, ram): pc.ram @0000000000100000 KVM"
    [GeneratedRegex(
        @"^\s+(?<first>[0-9a-f]{16})-(?<last>[0-9a-f]{16}) \(prio -?\d+, (?<kind>[^)]+)\): " +
        @"(?<name>.+?)(?: @(?<offset>[0-9a-f]{16}))?(?: [A-Z]+)?\r?$")]
    private static partial Regex Range();
}
