namespace Cutpoint.Repository;

/// <summary>Locks in the database of the catalog, for processes of any host: those of files hold over hosts on few file systems. The server drops them with the connection.</summary>
/// <param name="catalog">The catalog; not owned.</param>
internal sealed class DatabaseLocks(PostgresCatalog catalog) : RepositoryLocks
{
    public override IDisposable TakeCollection()
    {
        catalog.TakeCollection();
        return new Collection(catalog);
    }

    public override IEnumerable<DoctorFinding> Examine()
    {
        if (catalog.Collector() is { } who) yield return new DoctorFinding(DoctorSeverity.Note, $"garbage is being collected: {who}", null);
    }

    /// <summary>The shared lock goes with the catalog's connection.</summary>
    public override void Dispose()
    {
    }

    private sealed class Collection(PostgresCatalog catalog) : IDisposable
    {
        public void Dispose()
        {
            try
            {
                catalog.ReleaseCollection();
            }
            catch (SnapshotException)
            {
                // The server drops it when it notices that the connection is gone.
            }
        }
    }
}
