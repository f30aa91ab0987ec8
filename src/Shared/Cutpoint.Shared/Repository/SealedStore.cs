namespace Cutpoint.Repository;

/// <summary>
/// Where an encrypted catalog lies: an image of the database, and every change since, in order. The database itself is in memory. One caller at a time; other
/// processes may write meanwhile.
/// </summary>
internal abstract class SealedStore : IDisposable
{
    /// <summary>Shorter changes are not worth an image.</summary>
    private const int MinReplaced = 256 << 10;

    /// <summary>What a person calls the catalog in a message; without secrets.</summary>
    public abstract string Name { get; }

    /// <summary>True when the changes have become longer than the image.</summary>
    public bool IsLong => ChangesLength > Math.Max(MinReplaced, ImageLength);

    protected abstract long ImageLength { get; }

    protected abstract long ChangesLength { get; }

    /// <summary>Waits for its turn to write, and runs work alone. What it has written counts when this returns, all or none.</summary>
    /// <param name="work">The work; it may run again, and then begins with what <see cref="ReadNew"/> gives.</param>
    /// <exception cref="SnapshotException">The turn did not come (<see cref="ErrorCode.Locked"/>), or the place cannot be written.</exception>
    public abstract T InTurn<T>(Func<T> work);

    /// <summary>What has been written since the last call.</summary>
    /// <param name="isReplaced">True when the first of it is an image, and nothing that was read before counts.</param>
    public abstract List<byte[]> ReadNew(out bool isReplaced);

    /// <summary>Appends a change. It is the caller's turn, and it has read all there is.</summary>
    public abstract void Append(ReadOnlySpan<byte> change, bool isDurable);

    /// <summary>Puts an image into the place of all there is, or makes the first. It is the caller's turn.</summary>
    public abstract void Replace(ReadOnlySpan<byte> image);

    /// <summary>Makes the next read begin with the image.</summary>
    public abstract void Forget();

    public abstract void Dispose();

    protected SnapshotException Damaged(string reason) =>
        new(ErrorCode.VerificationFailed, $"{Name} is damaged: {reason}", "rebuild it from the packs with 'cutpoint repair'");
}
