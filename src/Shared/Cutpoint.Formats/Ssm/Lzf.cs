using System.Buffers.Binary;

namespace Cutpoint.Formats.Ssm;

/// <summary>
/// LZF: literal runs of up to 32 octets and matches of 3 to 264 octets at most 8 KiB back. A control octet below 32 is a run's length less one; otherwise its
/// upper three bits are a match's length less two (7: an octet more follows) and its lower five the upper part of the distance less one.
/// </summary>
internal static class Lzf
{
    private const int HashBits = 12;
    private const int MaxLiteral = 32;
    private const int MaxDistance = 1 << 13;
    private const int MaxMatch = 264;
    private const int MinMatch = 3;

    /// <summary>Compresses a block.</summary>
    /// <param name="input">Up to 64 KiB.</param>
    /// <param name="output">Where to; its length is the limit.</param>
    /// <returns>Octets written, or 0 when they would exceed the limit.</returns>
    public static int Compress(ReadOnlySpan<byte> input, Span<byte> output)
    {
        // Positions plus one, so that a cleared table holds none: the same input always gives the same output.
        Span<ushort> table = stackalloc ushort[1 << HashBits];
        table.Clear();
        var (at, literals, end) = (0, 0, 0);
        while (at + MinMatch < input.Length)
        {
            var word = BinaryPrimitives.ReadUInt32LittleEndian(input[at..]) & 0xFFFFFF;
            ref var slot = ref table[(int)((word * 0x9E3779B1) >> (32 - HashBits))];
            var candidate = slot - 1;
            slot = (ushort)(at + 1);
            if (candidate < 0 || at - candidate > MaxDistance
                || (BinaryPrimitives.ReadUInt32LittleEndian(input[candidate..]) & 0xFFFFFF) != word)
            {
                at++;
                continue;
            }
            var length = MinMatch + input[(at + MinMatch)..Math.Min(input.Length, at + MaxMatch)].CommonPrefixLength(input[(candidate + MinMatch)..]);
            if (!WriteLiterals(input[literals..at], output, ref end) || !WriteMatch(at - candidate - 1, length - 2, output, ref end)) return 0;
            at += length;
            literals = at;
        }
        return WriteLiterals(input[literals..], output, ref end) ? end : 0;
    }

    /// <summary>Decompresses a block.</summary>
    /// <returns>Octets written, or -1 when the input is malformed or does not fit.</returns>
    public static int Decompress(ReadOnlySpan<byte> input, Span<byte> output)
    {
        var (at, end) = (0, 0);
        while (at < input.Length)
        {
            int control = input[at++];
            if (control < MaxLiteral)
            {
                control++;
                if (control > input.Length - at || control > output.Length - end) return -1;
                input.Slice(at, control).CopyTo(output[end..]);
                at += control;
                end += control;
                continue;
            }
            var length = control >> 5;
            if (length == 7)
            {
                if (at == input.Length) return -1;
                length += input[at++];
            }
            if (at == input.Length) return -1;
            length += 2;
            var from = end - ((((control & 31) << 8) | input[at++]) + 1);
            if (from < 0 || length > output.Length - end) return -1;
            // A match may overlap what it makes: then it repeats, octet by octet.
            if (from + length <= end) output.Slice(from, length).CopyTo(output[end..]);
            else for (var i = 0; i < length; i++) output[end + i] = output[from + i];
            end += length;
        }
        return end;
    }

    private static bool WriteLiterals(ReadOnlySpan<byte> literals, Span<byte> output, ref int end)
    {
        while (literals.Length > 0)
        {
            var run = Math.Min(literals.Length, MaxLiteral);
            if (run + 1 > output.Length - end) return false;
            output[end++] = (byte)(run - 1);
            literals[..run].CopyTo(output[end..]);
            end += run;
            literals = literals[run..];
        }
        return true;
    }

    private static bool WriteMatch(int distance, int length, Span<byte> output, ref int end)
    {
        if (output.Length - end < 3) return false;
        if (length < 7)
        {
            output[end++] = (byte)((length << 5) | (distance >> 8));
        }
        else
        {
            output[end++] = (byte)((7 << 5) | (distance >> 8));
            output[end++] = (byte)(length - 7);
        }
        output[end++] = (byte)distance;
        return true;
    }
}
