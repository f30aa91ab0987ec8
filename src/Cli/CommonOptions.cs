using System.CommandLine;
using Cutpoint.Cli.Settings;

namespace Cutpoint.Cli;

/// <summary>Options of every verb.</summary>
internal static class CommonOptions
{
    /// <summary>The repository's directory.</summary>
    public static Option<string> Repository { get; } = Recursive(Setting.Create(
        null, "repository", "Directory of the repository", Path.GetFullPath, "DIR",
        Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "cutpoint")));

    /// <summary>Results for programs.</summary>
    public static Option<bool> Json { get; } =
        Recursive(Setting.CreateSwitch(null, "json", "Print one JSON object instead of tables; progress as JSON lines"));

    private static T Recursive<T>(T option)
        where T : Option
    {
        option.Recursive = true;
        return option;
    }
}
