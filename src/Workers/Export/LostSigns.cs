using System.Globalization;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Workers.Export;

/// <summary>
/// Which integers of a BER snapshot lost their sign when they were written, by name: the format's first writer left the sign octet out. Memory does not grow with their
/// number.
/// </summary>
internal sealed class LostSigns
{
    private const int Named = 20;

    private readonly List<string> _lost = [];
    private long _lostCount;
    private long _correctedCount;

    /// <summary>The values an integer may have had, for people.</summary>
    public static string Describe(BerStateInteger integer) => integer.Doubt switch
    {
        BerSignDoubt.SignLost => string.Create(CultureInfo.InvariantCulture, $"{integer.Value} or {integer.Alternative}"),
        BerSignDoubt.Corrected => string.Create(CultureInfo.InvariantCulture, $"{integer.Value} (corrected)"),
        _ => integer.Value.ToString(CultureInfo.InvariantCulture),
    };

    /// <summary>Looks at the integer a reader stands on.</summary>
    public void Add(BerSnapshotReader reader)
    {
        switch (reader.Integer.Doubt)
        {
            case BerSignDoubt.Corrected:
                _correctedCount++;
                break;
            case BerSignDoubt.SignLost:
                if (_lostCount++ < Named) _lost.Add($"{reader.Path} ({Describe(reader.Integer)})");
                break;
        }
    }

    /// <summary>What is to be told of the file, one line each.</summary>
    public IEnumerable<string> Notes()
    {
        if (_correctedCount > 0) yield return $"{_correctedCount} integers were written without their sign octet and had only one meaning: corrected";
        if (_lostCount > 0)
        {
            var more = _lostCount > Named ? $" and {_lostCount - Named} more" : "";
            yield return $"the sign of {_lostCount} integers is lost if their fields are signed: {string.Join(", ", _lost)}{more}";
        }
        if (_correctedCount + _lostCount > 0)
            yield return "the file's writer lost signs: where one value is shown, it is right unless its field is signed and was negative";
    }
}
