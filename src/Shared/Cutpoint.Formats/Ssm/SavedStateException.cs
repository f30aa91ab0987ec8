namespace Cutpoint.Formats.Ssm;

/// <summary>A saved state that cannot be read on, with the number its format gives that failure.</summary>
public sealed class SavedStateException : MalformedInputException
{
    /// <summary>Creates an error.</summary>
    /// <param name="status">The number: saved state contract, section E.5.</param>
    /// <param name="offset">Octets from the start of the input to what is wrong.</param>
    /// <param name="reason">What is wrong there.</param>
    /// <param name="inner">The cause, when another exception is one.</param>
    public SavedStateException(SavedStateStatus status, long offset, string reason, Exception? inner = null)
        : base("saved state", offset, $"{reason} ({SavedStateStatusNames.NameOf(status)})", AdviceOf(status), inner) => Status = status;

    /// <summary>The format's number.</summary>
    public SavedStateStatus Status { get; }

    private static string? AdviceOf(SavedStateStatus status) => status switch
    {
        SavedStateStatus.IntegrityMagic => "name a file that VirtualBox or 'cutpoint export --format sav' wrote",
        SavedStateStatus.IntegrityVersion => "the versions 1.1, 1.2 and 2.0 are known; open it with the program that wrote it and save it again",
        SavedStateStatus.NotSupported => "read it from a file",
        SavedStateStatus.UnitNotFound or SavedStateStatus.InvalidState => null,
        _ => "the file is damaged: fetch it again from its source or save the machine again",
    };
}
