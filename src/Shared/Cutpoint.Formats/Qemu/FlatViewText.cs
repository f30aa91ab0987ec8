using System.Globalization;
using System.Text.RegularExpressions;

namespace Cutpoint.Formats.Qemu;

/// <summary>The text of "info mtree -f": views, each with the address spaces that use it and one line for each range.</summary>
internal static partial class FlatViewText
{
    private const string Format = "info mtree -f";
    private const int LineLimit = 1024;
    private const int RangeLimit = 1 << 14;

    public static GuestPhysicalMap Parse(string text, IReadOnlyList<QemuRamBlock> blocks, Func<ulong, string?>? placeAt)
    {
        var surface = new PhysicalSurface();
        var isMemory = false;
        var found = false;
        var ranges = 0;
        var offset = 0;
        foreach (var line in text.Split('\n'))
        {
            if (line.StartsWith("FlatView #", StringComparison.Ordinal)) isMemory = false;
            else if (line.StartsWith(" AS \"memory\",", StringComparison.Ordinal)) isMemory = found = true;
            else if (isMemory && line.Length <= LineLimit && RangeLine().Match(line) is { Success: true } match)
            {
                if (++ranges > RangeLimit) throw Malformed(offset, $"more than {RangeLimit} ranges");
                if (TryReadRange(match, blocks, placeAt, offset) is { } range) surface.Put(range);
            }

            offset += line.Length + 1;
        }

        return found ? new GuestPhysicalMap(surface.Ranges) : throw Malformed(0, "no address space \"memory\" in it");
    }

    private static PhysicalRange? TryReadRange(Match match, IReadOnlyList<QemuRamBlock> blocks, Func<ulong, string?>? placeAt, int textOffset)
    {
        var (first, last) = (Hex(match.Groups["first"]), Hex(match.Groups["last"]));
        var offset = match.Groups["offset"].Success ? Hex(match.Groups["offset"]) : 0;
        if (last < first || last - first == ulong.MaxValue) throw Malformed(textOffset, "a range that ends before it begins");
        if (FindBlock(match.Groups["name"].Value, blocks, first, placeAt) is not { } block || offset >= (ulong)block.Length) return null;
        // A region may be larger than what the block uses of it.
        var length = Math.Min(last - first + 1, (ulong)block.Length - offset);
        return new PhysicalRange(first, length, block.Name, (long)offset, match.Groups["kind"].Value != "ram");
    }

    /// <summary>A region is called as its block, or, for a device's memory, as the part of the block's name behind the device.</summary>
    private static QemuRamBlock? FindBlock(string region, IReadOnlyList<QemuRamBlock> blocks, ulong address, Func<ulong, string?>? placeAt)
    {
        QemuRamBlock? found = null;
        foreach (var block in blocks)
        {
            if (block.Name == region) return block;
            if (!block.Name.EndsWith("/" + region, StringComparison.Ordinal)) continue;
            if (found is not null)
            {
                var place = placeAt?.Invoke(address);
                return place is null ? null : blocks.FirstOrDefault(one => one.Name == $"{place}/{region}");
            }

            found = block;
        }

        return found;
    }

    private static ulong Hex(Group group) => ulong.Parse(group.ValueSpan, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static MalformedInputException Malformed(int offset, string reason) =>
        new(Format, offset, reason, "use the whole answer of the monitor");

    // "  0000000000100000-0000000000ffffff (prio 0, ram): pc.ram @0000000000100000 KVM"
    // ram, rom, and romd (flash that can be read) show memory of a block; i/o and ramd (a passed-through device) do not.
    [GeneratedRegex(
        @"^ +(?<first>[0-9a-f]{16})-(?<last>[0-9a-f]{16}) \(prio -?\d+, (nv-)?(?<kind>ram|rom|romd)\): " +
        @"(?<name>.+?)( @(?<offset>[0-9a-f]{16}))?( [A-Za-z]+)?\r?$", RegexOptions.ExplicitCapture)]
    private static partial Regex RangeLine();
}
