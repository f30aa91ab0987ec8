namespace Cutpoint.Formats.Ber;

/// <summary>How strictly a snapshot is read.</summary>
public enum BerReadMode
{
    /// <summary>BER as X.690 has it, in every form.</summary>
    Strict,

    /// <summary>
    /// Files of the format's first writer, whose signed integers lost their sign octet: integers that are not BER are taken, those with
    /// only one possible meaning are corrected, and all others that may be wrong are marked, see <see cref="BerSignDoubt"/>.
    /// </summary>
    SeedCompatible,
}
