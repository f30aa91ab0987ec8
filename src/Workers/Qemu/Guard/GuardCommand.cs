using System.Globalization;
using Cutpoint.Workers.Qemu.Faults;
using Cutpoint.Workers.Qemu.Launch;

namespace Cutpoint.Workers.Qemu.Guard;

/// <summary>How the guard is started: this program again, with its hidden verb.</summary>
/// <param name="Program">Path of the executable.</param>
/// <param name="Arguments">Arguments up to and including the verb.</param>
public sealed record GuardCommand(string Program, IReadOnlyList<string> Arguments)
{
    /// <summary>The hidden verb under which the program becomes a guard.</summary>
    public const string Verb = "guard";

    private static readonly TimeSpan FaultDescriptorDeadline = TimeSpan.FromSeconds(5);

    /// <summary>This program, started by its own executable or through <c>dotnet</c>.</summary>
    public static GuardCommand ThisProgram { get; } = Make();

    /// <summary>Runs <see cref="FaultDescriptorMaker"/> on a QEMU's process.</summary>
    /// <returns>Its exit code.</returns>
    internal async Task<int> MakeFaultDescriptorAsync(int process, TimeProvider time)
    {
        var making = ChildProcess.Start(Program, [.. Arguments, process.ToString(CultureInfo.InvariantCulture)], [], log: null, directory: "/");
        return await making.Exited.WaitAsync(FaultDescriptorDeadline, time);
    }

    private static GuardCommand Make()
    {
        var program = Environment.ProcessPath ?? throw new PlatformNotSupportedException("the path of this program is not known");
        var hosted = Path.GetFileName(program) == "dotnet";
        // Whole, since the guard works in another directory.
        return new GuardCommand(program, hosted ? ["exec", Path.GetFullPath(Environment.GetCommandLineArgs()[0]), Verb] : [Verb]);
    }
}
