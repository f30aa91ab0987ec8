using Cutpoint.Shared.Tests.Durability;

namespace Cutpoint.Shared.Tests.Repository;

// What holds for every repository holds for those whose catalog is in PostgreSQL, in the clear or encrypted.

[Collection(PostgresCollection.Name)]
public sealed class PostgresBaseTests(PostgresServer server) : BaseTests
{
    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class PostgresCheckpointTests(PostgresServer server) : CheckpointTests
{
    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class PostgresCompactionTests(PostgresServer server) : CompactionTests
{
    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class PostgresJobTests(PostgresServer server) : JobTests
{
    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class PostgresListingTests(PostgresServer server) : ListingTests
{
    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class PostgresUpkeepTests(PostgresServer server) : UpkeepTests
{
    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class SealedPostgresCheckpointTests(PostgresServer server) : CheckpointTests
{
    protected override bool IsEncrypted => true;

    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class SealedPostgresCompactionTests(PostgresServer server) : CompactionTests
{
    protected override bool IsEncrypted => true;

    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class SealedPostgresJobTests(PostgresServer server) : JobTests
{
    protected override bool IsEncrypted => true;

    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class SealedPostgresListingTests(PostgresServer server) : ListingTests
{
    protected override bool IsEncrypted => true;

    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class SealedPostgresUpkeepTests(PostgresServer server) : UpkeepTests
{
    protected override bool IsEncrypted => true;

    protected override PostgresServer Server => server;
}

[Collection(PostgresCollection.Name)]
public sealed class SealedPostgresCatalogTests(PostgresServer server) : PostgresCatalogTests(server)
{
    protected override bool IsEncrypted => true;
}
