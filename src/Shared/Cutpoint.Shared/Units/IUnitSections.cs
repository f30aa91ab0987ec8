using Cutpoint.Formats.Ssm;

namespace Cutpoint.Units;

/// <summary>What is loaded: sections in the order they were saved.</summary>
public interface IUnitSections
{
    /// <summary>Octets in all, or null when that is not known. Drives progress.</summary>
    long? Length { get; }

    /// <summary>True when a live save wrote this; progress is then reported by what it noted, not by octets.</summary>
    bool IsLive { get; }

    /// <summary>The next section, or null behind the last.</summary>
    /// <param name="consumed">To be told of octets read. Any thread.</param>
    /// <param name="cancellation">Cancels the wait.</param>
    ValueTask<UnitSection?> NextAsync(Action<long> consumed, CancellationToken cancellation);

    /// <summary>
    /// Ends the section in hand. Unless it is skipped it must have been read exactly: <see cref="SavedStateStatus.LoadedTooLittle"/>,
    /// <see cref="SavedStateStatus.LoadedTooMuch"/>.
    /// </summary>
    ValueTask EndAsync(bool skip, CancellationToken cancellation);
}
