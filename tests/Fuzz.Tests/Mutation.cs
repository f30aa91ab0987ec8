using System.Buffers.Binary;

namespace Cutpoint.Fuzz;

/// <summary>Changes of sound inputs: what a damaged disk, a cut transfer or somebody with bad intent leaves.</summary>
internal static class Mutation
{
    /// <summary>Inputs longer than this cost so much that few cases use them.</summary>
    private const int LargeLength = 32 << 10;

    private const int LargeShare = 128;

    private static readonly ulong[] TellingNumbers =
        [0, 1, 2, 0x7f, 0x80, 0xff, 0x100, 0xfff, 0x1000, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x7fffffffffffffff, 0x8000000000000000, ulong.MaxValue];

    /// <summary>A mutation of one of the inputs of a corpus.</summary>
    public static byte[] Of(IReadOnlyList<byte[]> corpus, IReadOnlyList<byte[]> words, Random random)
    {
        var octets = new List<byte>(Pick(corpus, random));
        // Mostly one change: every further one makes it likelier that an early error hides a late one.
        for (var changes = 1 + (random.Next(3) == 0 ? random.Next(8) : 0); changes > 0 && octets.Count > 0; changes--) Change(octets, corpus, words, random);
        return [.. octets];
    }

    private static byte[] Pick(IReadOnlyList<byte[]> corpus, Random random)
    {
        for (; ; )
        {
            var octets = corpus[random.Next(corpus.Count)];
            if (octets.Length <= LargeLength || random.Next(LargeShare) == 0) return octets;
        }
    }

    private static void Change(List<byte> octets, IReadOnlyList<byte[]> corpus, IReadOnlyList<byte[]> words, Random random)
    {
        var at = Place(octets.Count, random);
        var rest = octets.Count - at;
        switch (random.Next(10))
        {
            case 0:
                octets[at] ^= (byte)(1 << random.Next(8));
                break;
            case 1:
                octets[at] = (byte)random.Next(256);
                break;
            case 2:
                SetNumber(octets, at, random);
                break;
            case 3:
                octets.RemoveRange(at, Math.Min(random.Next(1, 40), rest));
                break;
            case 4:
                octets.RemoveRange(at, rest);
                break;
            case 5:
                octets.InsertRange(Place(octets.Count, random), octets.GetRange(at, Math.Min(random.Next(1, 80), rest)));
                break;
            case 6:
                var other = corpus[random.Next(corpus.Count)];
                var start = Place(other.Length, random);
                octets.InsertRange(at, other.AsSpan(start, Math.Min(random.Next(1, 80), other.Length - start)));
                break;
            case 7:
                octets.Insert(at, (byte)random.Next(256));
                break;
            case 8 when words.Count > 0:
                octets.InsertRange(at, words[random.Next(words.Count)]);
                break;
            default:
                var word = words.Count == 0 ? [0xff] : words[random.Next(words.Count)];
                for (var i = 0; i < word.Length && at + i < octets.Count; i++) octets[at + i] = word[i];
                break;
        }
    }

    // Structure gathers at the start and the end of most files; the middle is contents.
    private static int Place(int length, Random random)
    {
        var distance = (int)Math.Pow(length, random.NextDouble()) - 1;
        return random.Next(3) switch { 0 => random.Next(length), 1 => distance, _ => length - 1 - distance };
    }

    private static void SetNumber(List<byte> octets, int at, Random random)
    {
        var width = Math.Min(1 << random.Next(4), octets.Count - at);
        var number = TellingNumbers[random.Next(TellingNumbers.Length)];
        if (random.Next(3) == 0) number = unchecked(number + (ulong)random.Next(-9, 10));
        Span<byte> wire = stackalloc byte[sizeof(ulong)];
        if (random.Next(2) == 0)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(wire, number);
            wire = wire[..width];
        }
        else
        {
            BinaryPrimitives.WriteUInt64BigEndian(wire, number);
            wire = wire[^width..];
        }

        for (var i = 0; i < width; i++) octets[at + i] = wire[i];
    }
}
