namespace Cutpoint.Formats.Ber;

/// <summary>
/// What is known of an integer that the format's first writer wrote. Its signed fields of 16 to 64 bits lost all leading octets equal to
/// the sign extension, so that 128 and -128 became the same octet; its unsigned fields are right.
/// </summary>
public enum BerSignDoubt
{
    /// <summary>The value is right.</summary>
    None,

    /// <summary>Only one signed value is written with these octets; the value was corrected.</summary>
    Corrected,

    /// <summary>
    /// Right if the field is unsigned or the value was not negative; a negative value of a signed field looks the same.
    /// </summary>
    RightUnlessNegative,

    /// <summary>The field is signed and its sign is lost: the value and its alternative are written with the same octets.</summary>
    SignLost,
}
