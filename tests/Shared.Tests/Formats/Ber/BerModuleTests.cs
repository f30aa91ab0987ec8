using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;
using Cutpoint.Formats.Ber;

namespace Cutpoint.Shared.Tests.Formats.Ber;

/// <summary>The ASN.1 module that is shipped with the documentation.</summary>
public partial class BerModuleTests
{
    private static readonly string _path = Path.Combine(AppContext.BaseDirectory, "Formats", "Ber", "QemuBerSnapshot.asn1");

    [Fact]
    public async Task An_ASN1_compiler_takes_it()
    {
        // Parses and checks what every name stands for, then prints the module again.
        using var compiler = Process.Start(new ProcessStartInfo("asn1c", ["-E", "-F", _path]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var errors = compiler.StandardError.ReadToEndAsync();
        var module = await compiler.StandardOutput.ReadToEndAsync();
        await compiler.WaitForExitAsync();

        Assert.Equal((0, ""), (compiler.ExitCode, await errors));
        Assert.Contains("Snapshot ::= [APPLICATION 1270481]", module, StringComparison.Ordinal);
    }

    [Fact]
    public void Its_tags_are_those_of_the_code()
    {
        var tags = TagPattern().Matches(File.ReadAllText(_path))
            .ToDictionary(match => match.Groups[1].Value, match => BerTag.Application(uint.Parse(match.Groups[2].Value, CultureInfo.InvariantCulture)));

        Assert.Equal(
            new Dictionary<string, BerTag>
            {
                ["Snapshot"] = BerSnapshot.File,
                ["OpeningSection"] = BerSnapshot.OpeningSection,
                ["ContinuingSection"] = BerSnapshot.ContinuingSection,
                ["RamList"] = BerSnapshot.RamList,
                ["RamEntry"] = BerSnapshot.RamEntry,
                ["CpuCommonState"] = BerSnapshot.CpuCommon,
                ["SubsectionList"] = BerSnapshot.SubsectionList,
                ["Subsection"] = BerSnapshot.Subsection,
            },
            tags);
    }

    [GeneratedRegex(@"^(\w+) ::= \[APPLICATION (\d+)\]", RegexOptions.Multiline | RegexOptions.CultureInvariant)]
    private static partial Regex TagPattern();
}
