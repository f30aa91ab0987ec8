namespace Cutpoint.Fuzz;

/// <summary>A case that a parser did not stand.</summary>
/// <param name="Case">The case.</param>
/// <param name="Octets">Its input.</param>
/// <param name="Reason">What happened, in one line.</param>
/// <param name="Cause">The exception, when one was thrown.</param>
public sealed record FuzzFailure(FuzzCase Case, byte[] Octets, string Reason, Exception? Cause)
{
    /// <summary>Writes the input to a file whose name says how to make it again.</summary>
    /// <returns>The path.</returns>
    public string Save(string directory)
    {
        Directory.CreateDirectory(directory);
        var path = Path.Combine(directory, $"{Case.Target.Name}-{Case.Seed}-{Case.Number}.bin");
        File.WriteAllBytes(path, Octets);
        return path;
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Case.Target.Name}: seed {Case.Seed}, case {Case.Number}: {Reason}{(Cause is null ? "" : $"\n{Cause}")}";
}
