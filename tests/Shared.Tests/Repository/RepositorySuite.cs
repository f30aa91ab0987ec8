namespace Cutpoint.Shared.Tests.Repository;

/// <summary>Tests of what holds for every repository; a class derived from one of these runs them once more with encrypted ones.</summary>
public abstract class RepositorySuite
{
    /// <summary>True when the repositories of the tests are encrypted.</summary>
    protected virtual bool IsEncrypted => false;

    private protected Task<TestRepository> CreateAsync(TimeProvider? time = null) => TestRepository.CreateAsync(time, IsEncrypted);
}
