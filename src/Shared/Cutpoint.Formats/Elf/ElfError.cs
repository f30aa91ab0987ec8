namespace Cutpoint.Formats.Elf;

/// <summary>The one place that words the errors of ELF cores.</summary>
internal static class ElfError
{
    private const string DamagedAdvice = "the file is damaged: fetch it again from its source or make the dump again";

    public static MalformedInputException Create(long offset, string reason, string advice = DamagedAdvice) => new("ELF core", offset, reason, advice);

    public static MalformedInputException Truncated(long offset, string inside) =>
        Create(offset, $"the file ends inside {inside}", "the file is cut short: fetch it again from its source or make the dump again");
}
