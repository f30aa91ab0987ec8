namespace Cutpoint.Durability;

/// <summary>
/// The tables, as steps from version to version. A step that was released never changes. Written in what SQLite and PostgreSQL have in common;
/// <c>{identity}</c> is an ascending key the database gives, <c>{postgres}</c> begins what only PostgreSQL needs. docs/formats/journal.md says what the
/// columns mean.
/// </summary>
internal static class DurabilitySchema
{
    /// <summary>Step n leads from version n to version n + 1.</summary>
    public static readonly string[][] Steps =
    [
        [
            """
            CREATE TABLE event (
                ordering {identity},
                persistence_id TEXT NOT NULL,
                sequence_number BIGINT NOT NULL,
                written_at BIGINT NOT NULL,
                manifest TEXT NOT NULL,
                payload TEXT NOT NULL,
                writer_epoch BIGINT NOT NULL,
                UNIQUE (persistence_id, sequence_number))
            """,
            """
            CREATE TABLE snapshot (
                persistence_id TEXT NOT NULL PRIMARY KEY,
                sequence_number BIGINT NOT NULL,
                written_at BIGINT NOT NULL,
                manifest TEXT NOT NULL,
                payload TEXT NOT NULL)
            """,
            """
            CREATE TABLE mailbox (
                ordering {identity},
                recipient TEXT NOT NULL,
                message_id TEXT NOT NULL,
                sent_at BIGINT NOT NULL,
                visible_at BIGINT NOT NULL,
                attempts BIGINT NOT NULL,
                manifest TEXT NOT NULL,
                payload TEXT NOT NULL,
                UNIQUE (recipient, message_id))
            """,
            "CREATE INDEX mailbox_order ON mailbox (recipient, ordering)",
            """
            CREATE TABLE handled (
                recipient TEXT NOT NULL,
                message_id TEXT NOT NULL,
                handled_at BIGINT NOT NULL,
                PRIMARY KEY (recipient, message_id))
            """,
            "CREATE INDEX handled_age ON handled (handled_at)",
            """
            CREATE TABLE dead_letter (
                ordering {identity},
                recipient TEXT NOT NULL,
                message_id TEXT NOT NULL,
                sent_at BIGINT NOT NULL,
                manifest TEXT NOT NULL,
                payload TEXT NOT NULL,
                reason TEXT NOT NULL)
            """,
            """
            CREATE TABLE lease (
                name TEXT NOT NULL PRIMARY KEY,
                holder TEXT NOT NULL,
                epoch BIGINT NOT NULL,
                expires_at BIGINT NOT NULL)
            """,
        ],
        [
            """
            CREATE TABLE node (
                name TEXT NOT NULL PRIMARY KEY,
                epoch BIGINT NOT NULL,
                roles TEXT NOT NULL,
                address TEXT NOT NULL,
                program TEXT NOT NULL,
                joined_at BIGINT NOT NULL,
                lost_at BIGINT)
            """,
            """
            CREATE TABLE node_record (
                ordering {identity},
                name TEXT NOT NULL,
                epoch BIGINT NOT NULL,
                happened_at BIGINT NOT NULL,
                transition TEXT NOT NULL)
            """,
            "CREATE INDEX event_first ON event (ordering) WHERE sequence_number = 1",
        ],
    ];

    /// <summary>What must be there before a version can be asked for. Run by every start, so each can be run twice.</summary>
    public static readonly string[] VersionTable =
    [
        // Two starts at once: the second waits here and finds everything done.
        "{postgres}SELECT pg_advisory_xact_lock(4832119274006)",
        "{postgres}CREATE SCHEMA IF NOT EXISTS cutpoint",
        """
        {postgres}CREATE OR REPLACE FUNCTION database_now() RETURNS bigint LANGUAGE sql VOLATILE
        AS 'SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint'
        """,
        "CREATE TABLE IF NOT EXISTS schema_version (version BIGINT NOT NULL PRIMARY KEY, applied_at BIGINT NOT NULL)",
    ];

    /// <summary>The version this program writes, and the newest it reads.</summary>
    public static int Version => Steps.Length;

    /// <summary>The version the tables have; 0 when there are none.</summary>
    public static async Task<int> ReadVersionAsync(Transaction transaction, CancellationToken cancellation) =>
        (int)(await transaction.NumberAsync("SELECT COALESCE(MAX(version), 0) FROM schema_version", cancellation).ConfigureAwait(false))!.Value;
}
