namespace Cutpoint.Shared.Tests.Repository;

// What holds for every repository holds for encrypted ones.

public sealed class EncryptedBaseTests : BaseTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedCheckpointTests : CheckpointTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedCompactionTests : CompactionTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedComparisonTests : ComparisonTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedDamageTests : DamageTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedJobTests : JobTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedListingTests : ListingTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedReadTests : ReadTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedUpkeepTests : UpkeepTests
{
    protected override bool IsEncrypted => true;
}

public sealed class EncryptedFileCatalogTests : FileCatalogTests
{
    protected override bool IsEncrypted => true;
}
