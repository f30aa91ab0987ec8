namespace Cutpoint.Jobs;

/// <summary>
/// The coordinator's end of the line to the workers of one job: commands go out, reports come in. In one process it is a pair of channels; between
/// nodes it is a connection.
/// </summary>
public interface IWorkerPort
{
    /// <summary>Hands a command over. Commands to one guest keep their order, but <see cref="CloseGuest"/> overtakes.</summary>
    ValueTask SendAsync(WorkerCommand command, CancellationToken cancellation);

    /// <summary>The next report; reports of one guest keep their order.</summary>
    ValueTask<WorkerReport> ReceiveAsync(CancellationToken cancellation);
}
