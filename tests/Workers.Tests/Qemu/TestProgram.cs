using Cutpoint.Workers.Qemu.Guard;

namespace Cutpoint.Workers.Tests.Qemu;

/// <summary>This test assembly as a program.</summary>
internal static class TestProgram
{
    private static readonly string Assembly = typeof(TestProgram).Assembly.Location;

    internal static string Dotnet { get; } = FindDotnet();

    internal static GuardCommand Guard { get; } = new(Dotnet, ["exec", Assembly, GuardCommand.Verb]);

    internal static string[] Arguments(params string[] verb) => ["exec", Assembly, .. verb];

    private static string FindDotnet()
    {
        // The runtime lies in ROOT/shared/Microsoft.NETCore.App/VERSION/.
        var root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "..", "..", ".."));
        return Path.Combine(root, "dotnet");
    }
}
