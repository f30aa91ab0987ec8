namespace Cutpoint.Formats.Ber;

/// <summary>An integer of a device's state.</summary>
/// <param name="Value">Its value, between -2^63 and 2^64-1.</param>
/// <param name="Doubt">What is known of it; always <see cref="BerSignDoubt.None"/> in a strict read.</param>
/// <param name="Alternative">The other value it may have had; equal to <paramref name="Value"/> when there is none.</param>
public readonly record struct BerStateInteger(Int128 Value, BerSignDoubt Doubt, Int128 Alternative)
{
    private const int SignedWidth = 8;

    /// <summary>An integer beyond doubt.</summary>
    /// <param name="value">Its value.</param>
    public BerStateInteger(Int128 value)
        : this(value, BerSignDoubt.None, value)
    {
    }

    /// <summary>Reads an integer as the format's first writer meant it.</summary>
    /// <remarks>
    /// That writer stripped from a signed field the leading octets 00 of a positive and ff of a negative value, down to one octet; an
    /// unsigned field got one 00 in front exactly if its first bit was set. So what was stripped cannot start what is left, and a first
    /// octet 00 or ff that has others behind it tells the sign.
    /// </remarks>
    internal static BerStateInteger ReadFromSeed(ReadOnlySpan<byte> contents, long offset)
    {
        var value = BerInteger.Read(contents, offset, strict: false);
        // Fields of 64 bits have no octet left out when eight are there; nine come from an unsigned one.
        if (contents.Length >= SignedWidth) return new(value);
        var range = Int128.One << (8 * contents.Length);
        var positive = value < 0 ? value + range : value;
        var negative = positive - range;
        if (contents.Length > 1 && contents[0] == 0xff) return new(positive, BerSignDoubt.Corrected, positive);
        if (contents.Length > 1 && contents[0] == 0x00 && contents[1] < 0x80) return new(negative, BerSignDoubt.Corrected, negative);
        return value < 0
            ? new(negative, BerSignDoubt.SignLost, positive)
            : new(positive, BerSignDoubt.RightUnlessNegative, negative);
    }
}
