using System.Text.Json;
using Cutpoint.Jobs;

namespace Cutpoint.Cli.Output;

/// <summary>How every failure is told: one line on standard error, or one JSON object on standard output, and an exit code.</summary>
internal static class Failure
{
    private const int NoSpaceLeft = 28, QuotaExceeded = 122, ReadOnlyFileSystem = 30;

    /// <summary>Tells of an exception. Returns the exit code.</summary>
    public static int Report(Exception exception, bool json)
    {
        var error = Describe(exception);
        if (json) JsonOutput.Write(new FailureResult(error), JsonOutput.Types.FailureResult);
        else Console.Error.WriteLine($"cutpoint: {error.Message}{(error.Advice is null ? "" : $" — {error.Advice}")}");
        if (Environment.GetEnvironmentVariable("CUTPOINT_TRACE") is { Length: > 0 }) Console.Error.WriteLine(exception);
        return (int)error.Code;
    }

    private static JobError Describe(Exception exception) => exception switch
    {
        SnapshotException known => JobError.From(known),
        OperationCanceledException => new(ErrorCode.Cancelled, "cancelled", "nothing was kept, and every guest is as it was"),
        AggregateException { InnerExceptions: [var inner] } => Describe(inner),
        TypeInitializationException { InnerException: { } inner } => Describe(inner),
        DllNotFoundException library => new(ErrorCode.Incompatible, $"a library is missing: {library.Message.Split('\n')[0]}",
            "apt-get install libsqlite3-0 libzstd1 liblz4-1"),
        UnauthorizedAccessException or IOException { HResult: ReadOnlyFileSystem } =>
            new(ErrorCode.NotAuthorised, exception.Message, "check who owns the file, and whether its file system is mounted read-only"),
        IOException { HResult: NoSpaceLeft or QuotaExceeded } => new(ErrorCode.NoSpace, exception.Message, "free space there, 'cutpoint gc' may help"),
        FileNotFoundException or DirectoryNotFoundException => new(ErrorCode.NotFound, exception.Message, "check the path"),
        IOException => new(ErrorCode.Failed, exception.Message),
        JsonException => new(ErrorCode.VerificationFailed, exception.Message),
        _ => new(ErrorCode.Failed, $"internal error: {exception.GetType().Name}: {exception.Message}",
            "run it again with CUTPOINT_TRACE=1 and report what it prints"),
    };
}
