namespace Cutpoint.Nodes;

/// <summary>
/// How long the two ends of a line trust in each other without a sign of life. A worker gives up before the coordinator does, so that whoever is told that
/// a worker is lost can count on its guests being put back already, or on the worker being stopped as a whole; then their guards have done it.
/// </summary>
public static class NodeLease
{
    /// <summary>Between two beats of a coordinator; each is answered at once.</summary>
    public static readonly TimeSpan Interval = TimeSpan.FromSeconds(1.5);

    /// <summary>A worker that has heard nothing of its coordinator for this long puts the guests of the job back.</summary>
    public static readonly TimeSpan OfWorker = TimeSpan.FromSeconds(6);

    /// <summary>A coordinator that has heard nothing of a worker for this long goes on without it, and listens to it no more.</summary>
    public static readonly TimeSpan OfCoordinator = TimeSpan.FromSeconds(8);
}
