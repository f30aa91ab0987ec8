using System.Globalization;

namespace Cutpoint.Repository;

/// <summary>The name of a pack: the job that wrote it, and its number within the job. Jobs write only packs of their own.</summary>
/// <param name="Job">The job.</param>
/// <param name="Number">From 1.</param>
public readonly record struct PackId(Ulid Job, int Number) : IComparable<PackId>
{
    internal const string Extension = ".pack";

    /// <summary>The most packs a job writes.</summary>
    internal const int MaxNumber = 99_999_999;

    internal string FileName => ToString() + Extension;

    /// <summary>Reads the text form.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out PackId id)
    {
        id = default;
        if (text.Length != Ulid.TextLength + 9 || text[Ulid.TextLength] != '-' || !Ulid.TryParse(text[..Ulid.TextLength], out var job))
            return false;
        if (!int.TryParse(text[(Ulid.TextLength + 1)..], NumberStyles.None, CultureInfo.InvariantCulture, out var number)) return false;
        id = new PackId(job, number);
        return true;
    }

    /// <inheritdoc/>
    public int CompareTo(PackId other) => Job == other.Job ? Number.CompareTo(other.Number) : Job.CompareTo(other.Job);

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Job}-{Number:D8}");

    /// <summary>True when the left one sorts first.</summary>
    public static bool operator <(PackId left, PackId right) => left.CompareTo(right) < 0;

    /// <summary>True when the left one sorts last.</summary>
    public static bool operator >(PackId left, PackId right) => left.CompareTo(right) > 0;

    /// <summary>True when the left one does not sort last.</summary>
    public static bool operator <=(PackId left, PackId right) => left.CompareTo(right) <= 0;

    /// <summary>True when the left one does not sort first.</summary>
    public static bool operator >=(PackId left, PackId right) => left.CompareTo(right) >= 0;
}
