using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Cutpoint.Repository;

/// <summary>
/// The name of a job and of the checkpoint it makes: 48 bits of milliseconds since 1970 and 80 random bits, written as 26 digits of
/// Crockford's base 32, so that names sort by time.
/// </summary>
/// <param name="Value">The 128 bits, most significant first.</param>
public readonly record struct Ulid(UInt128 Value) : IComparable<Ulid>
{
    /// <summary>Digits of the text form.</summary>
    public const int TextLength = 26;

    private const string Digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

    /// <summary>When it was made, to the millisecond.</summary>
    public DateTimeOffset Time => DateTimeOffset.FromUnixTimeMilliseconds((long)Math.Min((ulong)(Value >> 80), 253_402_300_799_999));

    /// <summary>A new one.</summary>
    /// <param name="time">The clock.</param>
    public static Ulid Create(TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(time);
        Span<byte> octets = stackalloc byte[16];
        RandomNumberGenerator.Fill(octets);
        var random = BinaryPrimitives.ReadUInt128BigEndian(octets) & ((UInt128.One << 80) - 1);
        return new Ulid(((UInt128)(ulong)time.GetUtcNow().ToUnixTimeMilliseconds() << 80) | random);
    }

    /// <summary>Reads the text form; small letters are taken too.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out Ulid ulid)
    {
        ulid = default;
        if (text.Length != TextLength || text[0] > '7') return false;
        UInt128 value = 0;
        foreach (var letter in text)
        {
            var digit = Digits.IndexOf(char.ToUpperInvariant(letter), StringComparison.Ordinal);
            if (digit < 0) return false;
            value = (value << 5) | (uint)digit;
        }
        ulid = new Ulid(value);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(Ulid other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => string.Create(TextLength, Value, static (text, value) =>
    {
        for (var index = TextLength - 1; index >= 0; index--, value >>= 5) text[index] = Digits[(int)(value & 31)];
    });

    /// <summary>True when the left one is older.</summary>
    public static bool operator <(Ulid left, Ulid right) => left.Value < right.Value;

    /// <summary>True when the left one is newer.</summary>
    public static bool operator >(Ulid left, Ulid right) => left.Value > right.Value;

    /// <summary>True when the left one is not newer.</summary>
    public static bool operator <=(Ulid left, Ulid right) => left.Value <= right.Value;

    /// <summary>True when the left one is not older.</summary>
    public static bool operator >=(Ulid left, Ulid right) => left.Value >= right.Value;
}
