using System.Text.Json.Serialization;
using Cutpoint.Workers.Qemu;

namespace Cutpoint.Workers.Restore;

/// <summary>The process whose guest lives on the files of a run directory, named so that no process of another boot or host is taken for it.</summary>
/// <param name="Machine">The host's machine id.</param>
/// <param name="Boot">The host's boot id: process numbers of another boot mean nothing.</param>
/// <param name="PidNamespace">The namespace the process number is of.</param>
/// <param name="Process">The process.</param>
internal sealed record RunOwner(string Machine, string Boot, string PidNamespace, ProcessIdentity Process)
{
    private static string ThisMachine { get; } =
        File.Exists("/etc/machine-id") ? File.ReadAllText("/etc/machine-id").Trim() : Environment.MachineName;

    private static string ThisPidNamespace { get; } = new FileInfo("/proc/self/ns/pid").LinkTarget ?? "";

    /// <summary>Name of the image whose files the guest maps, or null for a guest that has its own.</summary>
    public string? Image { get; init; }

    /// <summary>The checkpoint the guest was restored from, and its name there.</summary>
    public RunOrigin? Origin { get; init; }

    /// <summary>Names a process of this host.</summary>
    public static RunOwner Of(ProcessIdentity process) => new(ThisMachine, ProcessIdentity.Boot, ThisPidNamespace, process);

    /// <summary>True for a process of this host, this boot and this process namespace.</summary>
    public bool Is(ProcessIdentity process) =>
        Machine == ThisMachine && Boot == ProcessIdentity.Boot && PidNamespace == ThisPidNamespace && Process == process;

    /// <summary>
    /// True unless it is certain that the process has ended. A process of another host, or of another process namespace of this boot, cannot be looked at.
    /// </summary>
    public bool MayLive()
    {
        if (Machine != ThisMachine) return true;
        if (Boot != ProcessIdentity.Boot) return false;
        return PidNamespace != ThisPidNamespace || Process.IsAlive;
    }
}

[JsonSerializable(typeof(RunOwner))]
internal sealed partial class RunOwnerJson : JsonSerializerContext;
