namespace Cutpoint.Formats.Kdump;

/// <summary>The one place that words the errors of kdump files.</summary>
internal static class KdumpError
{
    private const string DamagedAdvice = "the file is damaged: fetch it again from its source or make the dump again";

    public static MalformedInputException Create(long offset, string reason, string? advice = DamagedAdvice, Exception? inner = null) =>
        new("kdump", offset, reason, advice, inner);

    public static MalformedInputException Truncated(long offset, string inside) =>
        Create(offset, $"the file ends inside {inside}", "the file is cut short: fetch it again from its source or make the dump again");
}
