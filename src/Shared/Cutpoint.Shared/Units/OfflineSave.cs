using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>Saves a guest that is stopped: saved state contract, section A.6.</summary>
public sealed class OfflineSave : UnitSave
{
    private OfflineSave(UnitRegistry registry, IUnitSinks sinks, SaveOptions options)
        : base(registry, sinks, options, new UnitProgress(options.Progress, live: 0, prepare: 20, done: 2))
    {
    }

    /// <summary>Saves every unit.</summary>
    /// <exception cref="SnapshotException">A unit or a sink failed, or the save was cancelled. Every unit called before has been told.</exception>
    public static async Task RunAsync(UnitRegistry registry, IUnitSinks sinks, SaveOptions options, CancellationToken cancellation)
    {
        if (options.After == SaveAfter.Teleport)
            throw new UnitException(SavedStateStatus.InvalidParameter, "a guest that is stopped is not teleported", "save it with destroy or continue");
        var save = new OfflineSave(registry, sinks, options);
        await using (save.ConfigureAwait(false))
        {
            // What failed is kept as the save's fault and thrown when everybody has been told.
            await save.SaveAsync(cancellation).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            (await save.CompleteAsync().ConfigureAwait(false)).ThrowIfFailed();
        }
    }

    private async Task SaveAsync(CancellationToken cancellation)
    {
        await SavePrepareAsync(cancellation).ConfigureAwait(false);
        await SaveExecuteAsync(cancellation).ConfigureAwait(false);
    }
}
