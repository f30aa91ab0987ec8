using System.Data.Common;
using System.Globalization;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Repository;

/// <summary>
/// What a repository holds and where, in SQLite or PostgreSQL: an index over the packs that can be rebuilt from them, and the instant of commit. Safe for
/// concurrent use; other processes may have it open too.
/// </summary>
internal sealed class Catalog(CatalogConnection connection) : IDisposable
{
    public const string FileName = "catalog.db";

    /// <summary>Values in the list of one IN.</summary>
    private const int MaxListed = 256;

    /// <summary>For the list of an IN that must not be empty.</summary>
    private const long NoPack = 0;

    /// <summary>The packs a job is known to have pinned, so that most finds need no write.</summary>
    private readonly HashSet<(Ulid Job, long Pack)> _pinned = [];

    private DbCommand? _findSection;
    private int _generation;

    /// <summary>Where a section of that identity is, or null.</summary>
    public SectionRef? Find(Digest identity) => Locked(() => FindRow(identity)?.Section);

    /// <summary>Where a section of that identity is, unless it is known to be damaged, or null; its pack stays until the job has ended.</summary>
    public SectionRef? FindAndPin(Digest identity, Ulid job) => Locked(() =>
    {
        if (FindRow(identity) is not { IsDamaged: false } found) return (SectionRef?)null;
        if (_pinned.Contains((job, found.Pack))) return found.Section;
        var pinned = connection.Write(
            () =>
            {
                // Asked again under the write lock: a collection may have taken the pack in between.
                var row = FindRow(identity);
                if (row is { IsDamaged: false }) connection.Execute("INSERT INTO pin (job, pack) VALUES (@0, @1) ON CONFLICT DO NOTHING", job.ToString(), row.Value.Pack);
                return row;
            },
            isDurable: false);
        if (pinned is not { IsDamaged: false } kept) return null;
        // Known only now that it is written.
        _pinned.Add((job, kept.Pack));
        return kept.Section;
    });

    /// <summary>Says of sections whether they can be trusted: on damaged ones nothing new is built.</summary>
    public void Mark(IReadOnlyCollection<Digest> sections, bool areDamaged)
    {
        if (sections.Count == 0) return;
        Locked(() => connection.Write(
            () =>
            {
                connection.ExecuteEach(
                    "UPDATE section SET damaged = @1 WHERE identity = @0 AND damaged <> @1",
                    sections.Select(section => (object?[])[section.ToArray(), areDamaged ? 1L : 0L]));
                return true;
            },
            isDurable: false));
    }

    /// <summary>Notes that a pack was read whole: sound at a time, or not.</summary>
    public void NoteVerified(PackId pack, DateTimeOffset? sound) => Locked(() => connection.Write(
        () => connection.Execute("UPDATE pack SET verified = @1 WHERE name = @0", pack.ToString(), sound?.ToUnixTimeMilliseconds()), isDurable: false));

    /// <summary>The packs that were read whole and found sound.</summary>
    public IReadOnlyCollection<PackId> Verified() => [.. Locked(() => PackRows("SELECT name, length FROM pack WHERE verified IS NOT NULL")).Keys];

    /// <summary>Keeps every pack of a checkpoint until the job has ended.</summary>
    /// <returns>False when the checkpoint is gone.</returns>
    public bool PinCheckpoint(Ulid checkpoint, Ulid job) => Locked(() => connection.Write(
        () => connection.Execute(
            "INSERT INTO pin (job, pack) SELECT @0, pack FROM checkpoint_pack WHERE checkpoint = @1 ON CONFLICT DO NOTHING", job.ToString(),
            checkpoint.ToString()) > 0
            || connection.Scalar("SELECT 1 FROM checkpoint WHERE id = @0", checkpoint.ToString()) is not null,
        isDurable: false));

    /// <summary>Lets go of what a job kept.</summary>
    public void Unpin(Ulid job) => Locked(() =>
    {
        _pinned.RemoveWhere(pin => pin.Job == job);
        return connection.Write(() => connection.Execute("DELETE FROM pin WHERE job = @0", job.ToString()), isDurable: false);
    });

    /// <summary>Makes checkpoints visible, with the packs they came with: all in one transaction, durable when this returns.</summary>
    /// <param name="packs">Packs that are new.</param>
    /// <param name="commits">Commit records found in packs, with what their manifests name.</param>
    /// <param name="owner">The job that commits; another process may have taken it over, which is seen in the same transaction.</param>
    /// <exception cref="SnapshotException">It has (<see cref="ErrorCode.Locked"/>), or the catalog cannot be written.</exception>
    public void Commit(IReadOnlyList<CatalogPack> packs, IReadOnlyList<CatalogCommit> commits, JobRegistration owner) => Locked(() => connection.Write(
        () =>
        {
            owner.CheckFence();
            Insert(packs, commits);
            return true;
        },
        isDurable: true));

    /// <summary>Fills an empty catalog, or one that is to be forgotten, with what the packs tell.</summary>
    public void Rebuild(IReadOnlyList<CatalogPack> packs, IReadOnlyList<CatalogCommit> commits) => Locked(() => connection.Write(
        () =>
        {
            // What refers to others goes before them; labels and guests go with their checkpoints.
            foreach (var table in (ReadOnlySpan<string>)["pin", "checkpoint_pack", "checkpoint", "section", "pack"]) connection.Execute($"DELETE FROM {table}");
            Insert(packs, commits);
            return true;
        },
        isDurable: true));

    /// <summary>Takes a checkpoint out of the listing.</summary>
    /// <returns>False when it is not there.</returns>
    public bool Remove(Ulid checkpoint) => Locked(() => connection.Write(
        () => connection.Execute("DELETE FROM checkpoint WHERE id = @0", checkpoint.ToString()) > 0, isDurable: true));

    /// <summary>Every checkpoint, oldest first.</summary>
    public IReadOnlyList<CheckpointInfo> List() => connection.Read(() => CatalogListing.Read(connection));

    /// <summary>Where the manifest of a guest is.</summary>
    public SectionRef FindManifest(Ulid checkpoint, string guest) => Locked(() => Single(
        "SELECT g.root, p.name, g.offset, g.length FROM guest g JOIN pack p ON p.id = g.pack WHERE g.checkpoint = @0 AND g.name = @1",
        checkpoint.ToString(),
        guest));

    /// <summary>Where the commit record of a checkpoint is.</summary>
    public SectionRef FindCommit(Ulid checkpoint) => Locked(() => Single(
        "SELECT c.root, p.name, c.offset, c.length FROM checkpoint c JOIN pack p ON p.id = c.pack WHERE c.id = @0", checkpoint.ToString()));

    /// <summary>Every pack with its length.</summary>
    public IReadOnlyDictionary<PackId, long> Packs() => Locked(() => PackRows("SELECT name, length FROM pack"));

    /// <summary>The packs a checkpoint needs.</summary>
    public IReadOnlyDictionary<PackId, long> Packs(Ulid checkpoint) => Locked(() => PackRows(
        "SELECT p.name, p.length FROM checkpoint_pack c JOIN pack p ON p.id = c.pack WHERE c.checkpoint = @0", checkpoint.ToString()));

    /// <summary>What the catalog has in a pack, in order.</summary>
    public IReadOnlyList<PackEntry> Entries(PackId pack) => Locked(() =>
    {
        using var command = connection.Command(
            """
            SELECT CAST(2 AS BIGINT) AS tag, s.identity, s.offset AS start, s.length FROM section s JOIN pack p ON p.id = s.pack WHERE p.name = @0
            UNION SELECT 3, g.root, g.offset, g.length FROM guest g JOIN pack p ON p.id = g.pack WHERE p.name = @0
            UNION SELECT 4, c.root, c.offset, c.length FROM checkpoint c JOIN pack p ON p.id = c.pack WHERE p.name = @0
            ORDER BY start
            """,
            pack.ToString());
        using var reader = command.ExecuteReader();
        var entries = new List<PackEntry>();
        while (reader.Read())
        {
            var tag = BerTag.Application((uint)reader.GetInt64(0));
            entries.Add(new PackEntry(tag, CatalogListing.ReadDigest(reader, 1), reader.GetInt64(2), CatalogListing.ReadLength(reader, 3)));
        }
        return entries;
    });

    /// <summary>The jobs that keep packs.</summary>
    public IReadOnlyList<Ulid> PinningJobs() => Locked(() =>
    {
        using var command = connection.Command("SELECT DISTINCT job FROM pin");
        using var reader = command.ExecuteReader();
        var jobs = new List<Ulid>();
        while (reader.Read()) jobs.Add(CatalogListing.ParseUlid(reader.GetString(0)));
        return jobs;
    });

    /// <summary>Packs with nothing but sections in them that listed checkpoints need, and that no living job keeps.</summary>
    public IReadOnlyDictionary<PackId, long> Compactable(IReadOnlyCollection<Ulid> dead) => Locked(() => PackRows(
        "SELECT name, length FROM pack WHERE id NOT IN (SELECT pack FROM guest) AND id NOT IN (SELECT pack FROM checkpoint) "
        + $"AND id NOT IN (SELECT pack FROM pin WHERE job NOT IN ({Quoted(dead)}))"));

    /// <summary>
    /// Puts a pack into the place of others, in one transaction. Others that a living job has pinned meanwhile stay, and so do all when a checkpoint was
    /// committed meanwhile: it may need what was not copied.
    /// </summary>
    /// <param name="old">The packs to be replaced.</param>
    /// <param name="fresh">The pack that has every section of theirs that is needed.</param>
    /// <param name="checkpoints">The checkpoints whose needs were looked at.</param>
    /// <param name="dead">Jobs whose pins do not count.</param>
    /// <param name="owner">The job that wrote the new pack.</param>
    /// <returns>The packs that were replaced; their files are of no use any more. When there are none the new pack was not taken in.</returns>
    public IReadOnlyList<PackId> Replace(
        IReadOnlyList<PackId> old, CatalogPack fresh, IReadOnlySet<Ulid> checkpoints, IReadOnlyCollection<Ulid> dead, JobRegistration owner) => Locked(() => connection.Write<IReadOnlyList<PackId>>(
        () =>
        {
            owner.CheckFence();
            var free = PackRows($"SELECT name, length FROM pack WHERE id NOT IN (SELECT pack FROM pin WHERE job NOT IN ({Quoted(dead)}))");
            var replaced = old.Where(free.ContainsKey).ToList();
            if (replaced.Count == 0 || CatalogListing.Read(connection).Any(checkpoint => !checkpoints.Contains(checkpoint.Id))) return [];
            var id = (long)connection.Scalar(
                "INSERT INTO pack (name, length) VALUES (@0, @1) RETURNING id", fresh.Id.ToString(), fresh.Length)!;
            foreach (var pack in replaced)
            {
                var gone = (long)connection.Scalar("SELECT id FROM pack WHERE name = @0", pack.ToString())!;
                connection.ExecuteEach(
                    "UPDATE section SET pack = @2, \"offset\" = @3, length = @4 WHERE identity = @0 AND pack = @1",
                    fresh.Entries.Select(entry => (object?[])[entry.Digest.ToArray(), gone, id, entry.Offset, (long)entry.Length]));
                connection.Execute(
                    "INSERT INTO checkpoint_pack (checkpoint, pack) SELECT checkpoint, @1 FROM checkpoint_pack WHERE pack = @0 ON CONFLICT DO NOTHING", gone, id);
                connection.Execute("DELETE FROM checkpoint_pack WHERE pack = @0", gone);
                connection.Execute("DELETE FROM section WHERE pack = @0", gone);
                connection.Execute("DELETE FROM pack WHERE id = @0", gone);
            }
            return replaced;
        },
        isDurable: true));

    /// <summary>Lets go of packs in which a checkpoint has nothing left: its sections were stored again elsewhere.</summary>
    /// <param name="checkpoint">The checkpoint.</param>
    /// <param name="sections">Every section its manifests name.</param>
    public void TrimPacks(Ulid checkpoint, IReadOnlyCollection<Digest> sections) => Locked(() => connection.Write(
        () =>
        {
            var needed = PacksOf(sections, out _);
            return connection.Execute(
                "DELETE FROM checkpoint_pack WHERE checkpoint = @0 AND pack NOT IN (SELECT pack FROM guest WHERE checkpoint = @0) "
                + $"AND pack NOT IN (SELECT pack FROM checkpoint WHERE id = @0) AND pack NOT IN ({string.Join(',', needed.Append(NoPack))})", checkpoint.ToString());
        },
        isDurable: false));

    /// <summary>Takes out, or only names, every pack that no checkpoint needs and no job keeps.</summary>
    /// <param name="dryRun">True to name them only.</param>
    /// <param name="dead">Jobs whose pins do not count.</param>
    public IReadOnlyDictionary<PackId, long> RemoveUnusedPacks(bool dryRun, IReadOnlyCollection<Ulid> dead) =>
        Locked(() =>
        {
            var ended = Quoted(dead);
            var unused = $"""
                FROM pack WHERE id NOT IN (SELECT pack FROM checkpoint_pack)
                AND id NOT IN (SELECT pack FROM pin WHERE job NOT IN ({ended}))
                """;
            if (dryRun) return PackRows($"SELECT name, length {unused}");
            return connection.Write(
                () =>
                {
                    var packs = PackRows($"SELECT name, length {unused}");
                    connection.Execute($"DELETE FROM section WHERE pack IN (SELECT id {unused})");
                    connection.Execute($"DELETE {unused}");
                    connection.Execute($"DELETE FROM pin WHERE job IN ({ended})");
                    return packs;
                },
                isDurable: true);
        });

    /// <summary>What the database itself finds wrong with its files.</summary>
    public IReadOnlyList<string> Check() => connection.Check();

    public void Dispose()
    {
        _findSection?.Dispose();
        connection.Dispose();
    }

    private T Locked<T>(Func<T> work) => connection.Run(work);

    private (SectionRef Section, long Pack, bool IsDamaged)? FindRow(Digest identity)
    {
        if (_findSection is null || _generation != connection.Generation)
        {
            _generation = connection.Generation;
            _findSection?.Dispose();
            _findSection = connection.Command(
                "SELECT s.identity, p.name, s.offset, s.length, s.pack, s.damaged FROM section s JOIN pack p ON p.id = s.pack WHERE s.identity = @0",
                new byte[Digest.Length]);
            _findSection.Prepare();
        }
        _findSection.Parameters[0].Value = identity.ToArray();
        using var reader = _findSection.ExecuteReader();
        return reader.Read() ? (ReadRef(reader), reader.GetInt64(4), reader.GetInt64(5) != 0) : null;
    }

    private void Insert(IReadOnlyList<CatalogPack> packs, IReadOnlyList<CatalogCommit> commits)
    {
        var ids = new Dictionary<PackId, long>();
        foreach (var pack in packs) ids.Add(pack.Id, Insert(pack));
        foreach (var commit in commits) Insert(commit, ids);
    }

    private long Insert(CatalogPack pack)
    {
        var id = (long)connection.Scalar(
            "INSERT INTO pack (name, length) VALUES (@0, @1) RETURNING id", pack.Id.ToString(), pack.Length)!;
        var sections = pack.Entries.Where(entry => entry.IsSection).ToList();
        // A section that takes the place of a damaged one heals every checkpoint that needs it, so it must stay as long as they do.
        connection.ExecuteEach(
            "INSERT INTO checkpoint_pack (checkpoint, pack) SELECT c.checkpoint, @1 FROM checkpoint_pack c "
            + "JOIN section s ON s.pack = c.pack WHERE s.identity = @0 AND s.damaged <> 0 ON CONFLICT DO NOTHING",
            sections.Select(entry => (object?[])[entry.Digest.ToArray(), id]));
        connection.ExecuteEach(
            "INSERT INTO section (identity, pack, \"offset\", length) VALUES (@0, @1, @2, @3) ON CONFLICT (identity) DO UPDATE "
            + "SET pack = excluded.pack, \"offset\" = excluded.\"offset\", length = excluded.length, damaged = 0 WHERE section.damaged <> 0",
            sections.Select(entry => (object?[])[entry.Digest.ToArray(), id, entry.Offset, (long)entry.Length]));
        return id;
    }

    private void Insert(CatalogCommit commit, Dictionary<PackId, long> ids)
    {
        var id = commit.Info.Id.ToString();
        connection.Execute(
            "INSERT INTO checkpoint (id, name, created, root, pack, \"offset\", length) VALUES (@0, @1, @2, @3, @4, @5, @6)",
            id, commit.Info.Name, commit.Info.CreatedAt.ToUnixTimeMilliseconds(), commit.Info.Root.ToArray(),
            PackRow(commit.Record.Pack, ids), commit.Record.Offset, (long)commit.Record.Length);
        foreach (var (name, value) in commit.Info.Labels)
            connection.Execute("INSERT INTO label (checkpoint, name, value) VALUES (@0, @1, @2)", id, name, value);
        var packs = new HashSet<long> { PackRow(commit.Record.Pack, ids) };
        for (var ordinal = 0; ordinal < commit.Info.Guests.Count; ordinal++)
        {
            var guest = commit.Info.Guests[ordinal];
            var manifest = commit.Manifests[ordinal];
            connection.Execute(
                "INSERT INTO guest (checkpoint, ordinal, name, root, pack, \"offset\", length, logical, content, reused, stored) "
                + "VALUES (@0, @1, @2, @3, @4, @5, @6, @7, @8, @9, @10)",
                id, (long)ordinal, guest.Name, guest.Root.ToArray(), PackRow(manifest.Pack, ids), manifest.Offset, (long)manifest.Length,
                guest.LogicalBytes, guest.ContentBytes, guest.ReusedBytes, guest.StoredBytes);
            packs.Add(PackRow(manifest.Pack, ids));
        }
        // The row decides, not the job: another job may have stored the same content first.
        packs.UnionWith(PacksOf(commit.Sections, out var missing));
        if (missing is { } identity && !commit.MayBeDamaged)
        {
            throw new SnapshotException(
                ErrorCode.VerificationFailed, $"section {identity} of checkpoint {id} has vanished from the catalog", "take it again");
        }
        foreach (var pack in packs) connection.Execute("INSERT INTO checkpoint_pack (checkpoint, pack) VALUES (@0, @1)", id, pack);
    }

    /// <summary>The rows of the packs that have sections, and one of the sections that no pack has.</summary>
    private HashSet<long> PacksOf(IReadOnlyCollection<Digest> sections, out Digest? missing)
    {
        var packs = new HashSet<long>();
        missing = null;
        foreach (var listed in sections.Chunk(MaxListed))
        {
            var places = string.Join(',', Enumerable.Range(0, listed.Length).Select(index => string.Create(CultureInfo.InvariantCulture, $"@{index}")));
            using var command = connection.Command($"SELECT identity, pack FROM section WHERE identity IN ({places})", Array.ConvertAll(listed, object? (section) => section.ToArray()));
            using var reader = command.ExecuteReader();
            var left = listed.ToHashSet();
            while (reader.Read())
            {
                left.Remove(CatalogListing.ReadDigest(reader, 0));
                packs.Add(reader.GetInt64(1));
            }
            if (left.Count > 0) missing = left.First();
        }
        return packs;
    }

    /// <summary>For the list of an IN. The ids are ours: 26 letters and digits each.</summary>
    private static string Quoted(IEnumerable<Ulid> jobs) => $"''{string.Concat(jobs.Select(job => $",'{job}'"))}";

    private long PackRow(PackId pack, Dictionary<PackId, long> ids) =>
        ids.TryGetValue(pack, out var id) ? id : (long)connection.Scalar("SELECT id FROM pack WHERE name = @0", pack.ToString())!;

    private SectionRef Single(string query, params ReadOnlySpan<object?> values)
    {
        using var command = connection.Command(query, values);
        using var reader = command.ExecuteReader();
        if (!reader.Read())
            throw new SnapshotException(ErrorCode.NotFound, "the checkpoint was forgotten meanwhile", "look at 'cutpoint list'");
        return ReadRef(reader);
    }

    private Dictionary<PackId, long> PackRows(string query, params ReadOnlySpan<object?> values)
    {
        using var command = connection.Command(query, values);
        using var reader = command.ExecuteReader();
        var packs = new Dictionary<PackId, long>();
        while (reader.Read()) packs[CatalogListing.ParsePack(reader.GetString(0))] = reader.GetInt64(1);
        return packs;
    }

    private static SectionRef ReadRef(DbDataReader reader) => new(
        CatalogListing.ReadDigest(reader, 0),
        CatalogListing.ParsePack(reader.GetString(1)),
        reader.GetInt64(2),
        CatalogListing.ReadLength(reader, 3));
}
