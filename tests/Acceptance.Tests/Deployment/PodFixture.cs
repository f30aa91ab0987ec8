using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Cutpoint.TestGuests;
using k8s.Models;

namespace Cutpoint.Acceptance.Tests.Deployment;

/// <summary>
/// Runs containers as processes of this machine: command, arguments and environment are those of the manifest, expanded as kubelet does; what is mounted lies in
/// a directory, and the worker's port is a free one.
/// </summary>
/// <param name="root">Stands for the root directory of every container.</param>
/// <param name="secret">The keys of the user's Secret.</param>
internal sealed partial class PodFixture(string root, IReadOnlyDictionary<string, string> secret)
{
    private const string Port = ":7411";

    private static readonly Dictionary<string, string> Fields = new()
    {
        ["metadata.name"] = "coordinator-1", ["spec.nodeName"] = "node-1", ["status.podIP"] = "127.0.0.1",
    };

    private readonly string _port = $":{FreePort()}";

    /// <summary>Starts a container, or another command in its place as "kubectl exec" does.</summary>
    public Process Start(V1Container container, params string[] command)
    {
        var environment = new Dictionary<string, string>();
        foreach (var variable in container.Env) environment[variable.Name] = Expand(ValueOf(variable), environment);
        foreach (var mount in container.VolumeMounts) Directory.CreateDirectory(root + mount.MountPath);
        foreach (var (key, value) in secret)
        {
            var file = Path.Combine(root + "/etc/cutpoint", key);
            if (File.Exists(file)) continue;
            File.WriteAllText(file, value);
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.GroupRead);
        }
        string Here(string text) => container.VolumeMounts.Aggregate(
            text.Replace(Port, _port, StringComparison.Ordinal),
            (changed, mount) => Regex.Replace(changed, $@"(?<=^|=){Regex.Escape(mount.MountPath)}(?=/|$)", root + mount.MountPath));
        string[] words = command.Length > 0 ? command : [.. container.Command, .. container.Args];
        var start = new ProcessStartInfo(words[0] == "cutpoint" ? GuestKit.Executable : words[0], words[1..].Select(word => Here(Expand(word, environment))))
        {
            RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true,
        };
        // A container has the environment of its manifest and nothing else.
        start.Environment.Clear();
        start.Environment["PATH"] = $"{Path.GetDirectoryName(GuestKit.Executable)}:{Environment.GetEnvironmentVariable("PATH")}";
        foreach (var (name, value) in environment) start.Environment[name] = Here(value);
        return Process.Start(start)!;
    }

    private string ValueOf(V1EnvVar variable) => variable switch
    {
        { Value: { } value } => value,
        { ValueFrom.SecretKeyRef: { } reference } => secret[reference.Key],
        { ValueFrom.FieldRef: { } field } => Fields[field.FieldPath],
        _ => throw new InvalidOperationException($"{variable.Name} has no value"),
    };

    /// <summary>What is not there stays as it is written, as in a cluster.</summary>
    private static string Expand(string text, Dictionary<string, string> environment) =>
        Reference().Replace(text, name => environment.GetValueOrDefault(name.Groups[1].Value, name.Value));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    [GeneratedRegex(@"\$\((\w+)\)")]
    private static partial Regex Reference();
}
