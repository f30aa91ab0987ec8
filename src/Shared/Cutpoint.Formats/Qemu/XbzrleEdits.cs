namespace Cutpoint.Formats.Qemu;

/// <summary>Differences of a page against its previous contents: QEMU migration stream, section 2.</summary>
internal static class XbzrleEdits
{
    /// <summary>Applies edits in place.</summary>
    /// <returns>False when the edits are malformed or reach beyond the page; the page is then undefined.</returns>
    public static bool TryApply(ReadOnlySpan<byte> edits, Span<byte> page)
    {
        var at = 0;
        var first = true;
        while (!edits.IsEmpty)
        {
            if (!TryReadLength(ref edits, out var unchanged) || (unchanged == 0 && !first) || unchanged > page.Length - at) return false;
            at += unchanged;
            first = false;
            if (!TryReadLength(ref edits, out var changed) || changed == 0) return false;
            if (changed > page.Length - at || changed > edits.Length) return false;
            edits[..changed].CopyTo(page[at..]);
            edits = edits[changed..];
            at += changed;
        }

        return true;
    }

    // ULEB128 of at most 14 bits.
    private static bool TryReadLength(ref ReadOnlySpan<byte> edits, out int length)
    {
        length = 0;
        if (edits.IsEmpty) return false;
        length = edits[0] & 0x7f;
        if ((edits[0] & 0x80) == 0)
        {
            edits = edits[1..];
            return true;
        }

        if (edits.Length < 2 || (edits[1] & 0x80) != 0) return false;
        length |= edits[1] << 7;
        edits = edits[2..];
        return true;
    }
}
