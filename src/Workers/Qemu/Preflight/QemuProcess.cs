using System.Text;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>How a guest's QEMU was started, by /proc. Members are empty or null where this user may not look.</summary>
/// <param name="CommandLine">Program and arguments.</param>
/// <param name="Directory">Working directory, which relative paths among the arguments refer to.</param>
/// <param name="Executable">The program file.</param>
internal sealed record QemuProcess(IReadOnlyList<string> CommandLine, string? Directory, string? Executable)
{
    internal static QemuProcess Read(int? process)
    {
        if (process is not { } id) return new QemuProcess([], null, null);
        try
        {
            var octets = File.ReadAllBytes(ProcessFiles.Path(id, "cmdline"));
            var text = Encoding.UTF8.GetString(octets).TrimEnd('\0');
            return new QemuProcess(text.Length == 0 ? [] : text.Split('\0'), Link(id, "cwd"), Link(id, "exe"));
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return new QemuProcess([], null, null);
        }
    }

    private static string? Link(int id, string name)
    {
        try
        {
            return new FileInfo(ProcessFiles.Path(id, name)).LinkTarget;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
