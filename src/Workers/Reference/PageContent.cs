using System.Buffers.Text;
using System.Runtime.InteropServices;
using System.Text;
using Cutpoint.Guests;

namespace Cutpoint.Workers.Reference;

/// <summary>
/// The octets of a page as a pure function of 64 bits, so that a guest of any size needs no memory for what it holds. The number itself stands at the
/// page's beginning: a page can be recognised and kept as its number again.
/// </summary>
internal static class PageContent
{
    /// <summary>The number of the zero page.</summary>
    public const ulong Zero = 0;

    private const ulong KindMask = 3;
    private const ulong Text = 1;
    private const ulong Noise = 2;
    private const int LineSize = 64;

    /// <summary>Kept as octets elsewhere; never made here.</summary>
    public const ulong Foreign = 3;

    private static readonly byte[] Lines = MakeLines();

    /// <summary>The number of a page like text.</summary>
    public static ulong TextOf(ulong chance) => (chance & ~KindMask) | Text;

    /// <summary>The number of a page that cannot be compressed.</summary>
    public static ulong NoiseOf(ulong chance) => (chance & ~KindMask) | Noise;

    /// <summary>True for a number that names octets kept elsewhere.</summary>
    public static bool IsForeign(ulong number) => (number & KindMask) == Foreign;

    /// <summary>Writes the page of a number.</summary>
    public static void Write(ulong number, Span<byte> page)
    {
        switch (number & KindMask)
        {
            case Text:
                WriteText(number, page);
                break;
            case Noise:
                WriteNoise(number, MemoryMarshal.Cast<byte, ulong>(page));
                break;
            default:
                page.Clear();
                break;
        }
    }

    /// <summary>The number whose page this is, or null.</summary>
    public static ulong? Recognise(ReadOnlySpan<byte> page)
    {
        if (!page.ContainsAnyExcept((byte)0)) return Zero;
        var number = MemoryMarshal.Read<ulong>(page);
        if ((number & KindMask) != Noise || !IsPage(number, page))
        {
            if (!Utf8Parser.TryParse(page[..16], out number, out var used, 'x') || used != 16) return null;
            if ((number & KindMask) != Text || !IsPage(number, page)) return null;
        }
        return number;
    }

    private static bool IsPage(ulong number, ReadOnlySpan<byte> page)
    {
        Span<byte> expected = stackalloc byte[Paging.PageSize];
        Write(number, expected);
        return page.SequenceEqual(expected);
    }

    private static void WriteNoise(ulong number, Span<ulong> words)
    {
        words[0] = number;
        for (var i = 1; i < words.Length; i++) words[i] = ReferenceRandom.Mix(number + ((ulong)i << 32));
    }

    private static void WriteText(ulong number, Span<byte> page)
    {
        var choice = number;
        for (var at = 0; at < page.Length; at += LineSize)
        {
            choice = ReferenceRandom.Mix(choice);
            Lines.AsSpan((int)(choice % (ulong)(Lines.Length / LineSize)) * LineSize, LineSize).CopyTo(page[at..]);
            // A number in every line, as logs have it, keeps the ratio near that of real memory.
            Utf8Formatter.TryFormat(choice >> 40, page[(at + 20)..], out _, new('x', 6));
        }
        Utf8Formatter.TryFormat(number, page, out _, new('x', 16));
        page[16] = (byte)' ';
    }

    private static byte[] MakeLines()
    {
        string[] words = ["page", "guest", "writes", "while", "memory", "is", "read", "by", "nobody", "else", "and", "kept", "until", "morning", "comes", "again"];
        var lines = new StringBuilder();
        for (var line = 0UL; line < 32; line++)
        {
            var start = lines.Length;
            for (var choice = ReferenceRandom.Mix(line); lines.Length < start + LineSize; choice = ReferenceRandom.Mix(choice))
                lines.Append(words[choice % (ulong)words.Length]).Append(' ');
            lines.Length = start + LineSize - 1;
            lines.Append('\n');
        }
        return Encoding.ASCII.GetBytes(lines.ToString());
    }
}
