namespace Cutpoint.Repository;

/// <summary>The tables of the catalog, as steps from version to version. A step that was released never changes.</summary>
internal static class CatalogSchema
{
    /// <summary>Step n leads from version n to version n + 1; PRAGMA user_version says where a file stands.</summary>
    public static readonly string[] Steps =
    [
        """
        CREATE TABLE pack (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            length INTEGER NOT NULL);
        CREATE TABLE section (
            identity BLOB PRIMARY KEY,
            pack INTEGER NOT NULL REFERENCES pack (id),
            offset INTEGER NOT NULL,
            length INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX section_pack ON section (pack);
        CREATE TABLE checkpoint (
            id TEXT PRIMARY KEY,
            name TEXT,
            created INTEGER NOT NULL,
            root BLOB NOT NULL,
            pack INTEGER NOT NULL REFERENCES pack (id),
            offset INTEGER NOT NULL,
            length INTEGER NOT NULL) WITHOUT ROWID;
        CREATE INDEX checkpoint_name ON checkpoint (name);
        CREATE TABLE label (
            checkpoint TEXT NOT NULL REFERENCES checkpoint (id) ON DELETE CASCADE,
            name TEXT NOT NULL,
            value TEXT NOT NULL,
            PRIMARY KEY (checkpoint, name)) WITHOUT ROWID;
        CREATE TABLE guest (
            checkpoint TEXT NOT NULL REFERENCES checkpoint (id) ON DELETE CASCADE,
            ordinal INTEGER NOT NULL,
            name TEXT NOT NULL,
            root BLOB NOT NULL,
            pack INTEGER NOT NULL REFERENCES pack (id),
            offset INTEGER NOT NULL,
            length INTEGER NOT NULL,
            logical INTEGER NOT NULL,
            content INTEGER NOT NULL,
            reused INTEGER NOT NULL,
            stored INTEGER NOT NULL,
            PRIMARY KEY (checkpoint, ordinal)) WITHOUT ROWID;
        CREATE TABLE checkpoint_pack (
            checkpoint TEXT NOT NULL REFERENCES checkpoint (id) ON DELETE CASCADE,
            pack INTEGER NOT NULL REFERENCES pack (id),
            PRIMARY KEY (checkpoint, pack)) WITHOUT ROWID;
        CREATE INDEX checkpoint_pack_pack ON checkpoint_pack (pack);
        CREATE TABLE pin (
            job TEXT NOT NULL,
            pack INTEGER NOT NULL REFERENCES pack (id) ON DELETE CASCADE,
            PRIMARY KEY (job, pack)) WITHOUT ROWID;
        """,
        // Sections that were found missing or damaged: nothing new is built on them, and the same content stored again takes their place.
        "ALTER TABLE section ADD COLUMN damaged INTEGER NOT NULL DEFAULT 0",
        // When a pack was last read whole and found sound, in milliseconds since 1970; packs never change after their commit.
        "ALTER TABLE pack ADD COLUMN verified INTEGER",
    ];

    /// <summary>
    /// What a catalog in PostgreSQL has besides: the repository it belongs to, and its jobs with the leases that keep others away. Times are in milliseconds since 1970,
    /// by the server's clock. <c>repository.generation</c> rises when the catalog is rebuilt, so that who had it open before writes nothing more.
    /// </summary>
    private const string PostgresTables =
        """
        CREATE TABLE repository (
            id TEXT PRIMARY KEY,
            generation BIGINT NOT NULL);
        CREATE TABLE job (
            id TEXT PRIMARY KEY,
            owner TEXT NOT NULL,
            epoch BIGINT NOT NULL,
            expires_at BIGINT NOT NULL,
            resumable BOOLEAN NOT NULL);
        """;

    /// <summary>
    /// The steps of a catalog in PostgreSQL that is encrypted: in place of the tables of <see cref="Steps"/>, which are inside, it has the rows of <see cref="SealedRows"/>. What is
    /// encrypted is not compressed, and its end is read by itself.
    /// </summary>
    public static readonly string[] SealedPostgresSteps =
    [
        PostgresTables +
        """
        CREATE TABLE sealed (
            number BIGINT PRIMARY KEY,
            record BYTEA NOT NULL);
        ALTER TABLE sealed ALTER COLUMN record SET STORAGE EXTERNAL;
        """,
    ];

    /// <summary>The steps of a catalog in PostgreSQL, to the same versions as those of SQLite.</summary>
    public static readonly string[] PostgresSteps = [.. Enumerable.Range(0, Steps.Length).Select(PostgresStep)];

    /// <summary>The version this program writes, and the newest it reads.</summary>
    public static int Version => Steps.Length;

    private static string PostgresStep(int step) => Steps[step]
        .Replace("INTEGER PRIMARY KEY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", StringComparison.Ordinal)
        .Replace("INTEGER", "BIGINT", StringComparison.Ordinal)
        .Replace("BLOB", "BYTEA", StringComparison.Ordinal)
        .Replace(" offset ", " \"offset\" ", StringComparison.Ordinal)
        .Replace(" WITHOUT ROWID", "", StringComparison.Ordinal) + (step == 0 ? PostgresTables : "");
}
