using Cutpoint.Shared.Tests.Durability;

namespace Cutpoint.Shared.Tests.Repository;

// What holds for every repository holds for those whose catalog is in PostgreSQL.

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
