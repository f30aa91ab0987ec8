using System.Diagnostics.CodeAnalysis;

namespace Cutpoint.Formats.Ber;

/// <summary>The one place that words the errors of BER input.</summary>
internal static class BerError
{
    private const string Format = "BER";

    private const string DamagedAdvice = "the file is damaged or not BER: fetch it again from its source or make the export again";

    private const string TruncatedAdvice = "the file is cut short: fetch it again from its source or make the export again";

    [DoesNotReturn]
    public static void Throw(long offset, string reason, string advice = DamagedAdvice) => throw Create(offset, reason, advice);

    [DoesNotReturn]
    public static void ThrowTruncated(long offset, string inside) =>
        throw Create(offset, $"the input ends inside {inside}", TruncatedAdvice);

    public static MalformedInputException Create(long offset, string reason, string advice = DamagedAdvice) =>
        new(Format, offset, reason, advice);
}
