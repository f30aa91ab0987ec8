namespace Cutpoint.Units;

/// <summary>Where a save puts its units: what lies underneath a run, such as a pack or a saved state file. The run's calls come in stream order.</summary>
public interface IUnitSinks
{
    /// <summary>Begins what a unit writes in one execution.</summary>
    /// <param name="unit">The unit.</param>
    /// <param name="pass">The pass; <see cref="UnitRegistration.FinalPass"/> when the guest is stopped.</param>
    /// <param name="written">To be told of state octets that have been taken in, before any compression. Drives progress and limits; any thread.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    ValueTask<IUnitSink> OpenAsync(UnitRegistration unit, uint pass, Action<long> written, CancellationToken cancellation);

    /// <summary>
    /// Ends what a unit writes in one execution: flushes, and terminates the unit's data if the execution succeeded. Called after every
    /// <see cref="OpenAsync"/> that returned, also when the execution failed or was cancelled.
    /// </summary>
    ValueTask CloseAsync(UnitRegistration unit, uint pass, bool succeeded);

    /// <summary>A live save has come this far; formats that mirror progress to the loading side write it down.</summary>
    /// <param name="pass">The pass.</param>
    /// <param name="percent">0 to 100, with fraction.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    ValueTask ReportAsync(uint pass, double percent, CancellationToken cancellation) => ValueTask.CompletedTask;
}
