namespace Cutpoint.Repository;

/// <summary>Where a repository is, and what opens it.</summary>
public sealed record RepositoryLocation
{
    /// <summary>The environment variable that names the repository when the command line does not.</summary>
    public const string Variable = "CUTPOINT_REPOSITORY";

    private RepositoryLocation(string directory) => Directory = directory;

    /// <summary>Absolute path of the repository's directory. Where the catalog is in a database, all hosts that use it see this directory.</summary>
    public string Directory { get; }

    /// <summary>The database that has the catalog; null when the directory has it.</summary>
    public RepositoryDatabase? Database { get; private init; }

    /// <summary>What opens it when it is encrypted, and seals it when it is created; null for one that is not.</summary>
    public RepositoryKey? Key { get; init; }

    /// <summary>The repository of users who name none: <c>$CUTPOINT_REPOSITORY</c>, else <c>~/.local/share/cutpoint</c>.</summary>
    public static RepositoryLocation Default
    {
        get
        {
            if (Environment.GetEnvironmentVariable(Variable) is { Length: > 0 } text) return Parse(text);
            var data = Environment.GetFolderPath(
                Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify);
            if (data.Length == 0)
                throw new SnapshotException(
                    ErrorCode.Usage, "no repository is named and there is no home directory", $"give --repository DIR or set {Variable}")
                {
                    IsPreflight = true,
                };
            return new RepositoryLocation(Path.Combine(data, "cutpoint"));
        }
    }

    /// <summary>Reads a location.</summary>
    /// <exception cref="SnapshotException">It is none, or of a kind this version does not know (<see cref="ErrorCode.Usage"/>).</exception>
    public static RepositoryLocation Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text.Length == 0) throw Wrong("the repository's name is empty");
        if (RepositoryDatabase.IsMeantBy(text))
        {
            var database = RepositoryDatabase.Parse(text);
            return new RepositoryLocation(database.Packs) { Database = database };
        }
        if (text.Contains("://", StringComparison.Ordinal)) throw Wrong($"'{text}' is not a kind of repository");
        if (text.Contains('\0', StringComparison.Ordinal)) throw Wrong("the repository's name holds a zero character");
        return new RepositoryLocation(Path.GetFullPath(text));
    }

    /// <summary>The location as it is given, without secrets.</summary>
    public override string ToString() => Database?.ToString() ?? Directory;

    private static SnapshotException Wrong(string message) => new(ErrorCode.Usage, message, "give a directory, or postgres://…") { IsPreflight = true };
}
