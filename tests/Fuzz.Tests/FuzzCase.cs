namespace Cutpoint.Fuzz;

/// <summary>One mutated input. The same target, seed and number make the same case on every machine.</summary>
/// <param name="Target">The parser that reads it.</param>
/// <param name="Seed">Seed of the run.</param>
/// <param name="Number">Number within the run.</param>
public sealed record FuzzCase(FuzzTarget Target, int Seed, long Number)
{
    // A run of any length stays clear of the cases of the next seeds.
    private const int SeedDistance = 0x1e3779b9;

    /// <summary>The input, and what decides how it is read.</summary>
    public (byte[] Octets, Random Reading) Make()
    {
        var random = new Random(unchecked((int)((long)Seed * SeedDistance + Number)));
        var octets = Mutation.Of(Target.Corpus, Target.Words, random);
        try
        {
            Target.Seal(octets, random);
        }
        catch (SnapshotException)
        {
            // It cannot be read as far as what guards it: there is nothing to put right.
        }

        return (octets, random);
    }
}
