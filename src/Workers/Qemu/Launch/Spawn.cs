using System.Collections;
using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Cutpoint.Workers.Qemu.Launch;

/// <summary>posix_spawn, in a new session and with every signal at its default.</summary>
internal static unsafe partial class Spawn
{
    // Larger than posix_spawn_file_actions_t, posix_spawnattr_t and sigset_t of any Linux C library (80, 336 and 128 octets in glibc).
    private const int OpaqueSize = 512;
    private const short SetSignalDefaults = 0x04;
    private const short SetSignalMask = 0x08;
    private const short SetSession = 0x80;

    internal static int Run(string program, IReadOnlyList<string> arguments, FileActions actions)
    {
        var attributes = stackalloc byte[OpaqueSize];
        var signals = stackalloc byte[OpaqueSize];
        Check(InitialiseAttributes(attributes));
        var argumentVector = Vector([program, .. arguments]);
        var environment = Vector([.. Variables()]);
        try
        {
            _ = EmptySignalSet(signals);
            Check(SetAttributeSignalMask(attributes, signals));
            _ = FillSignalSet(signals);
            Check(SetAttributeSignalDefaults(attributes, signals));
            Check(SetAttributeFlags(attributes, SetSignalDefaults | SetSignalMask | SetSession));
            Check(SpawnInPath(out var process, program, actions.Pointer, attributes, argumentVector, environment), program);
            return process;
        }
        finally
        {
            Free(argumentVector);
            Free(environment);
            _ = DestroyAttributes(attributes);
        }
    }

    /// <summary>The environment without what is ours: a repository's address or passphrase is nobody else's business.</summary>
    private static IEnumerable<string> Variables()
    {
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (!name.StartsWith("CUTPOINT_", StringComparison.Ordinal)) yield return $"{name}={variable.Value}";
        }
    }

    private static byte** Vector(IReadOnlyList<string> texts)
    {
        var vector = (byte**)NativeMemory.AllocZeroed((nuint)(texts.Count + 1), (nuint)sizeof(byte*));
        for (var i = 0; i < texts.Count; i++) vector[i] = (byte*)Marshal.StringToCoTaskMemUTF8(texts[i]);
        return vector;
    }

    private static void Free(byte** vector)
    {
        for (var i = 0; vector[i] is not null; i++) Marshal.FreeCoTaskMem((nint)vector[i]);
        NativeMemory.Free(vector);
    }

    private static void Check(int error, string? program = null)
    {
        if (error == 0) return;
        var reason = new Win32Exception(error);
        throw program is null ? reason : new Win32Exception(error, $"{program}: {reason.Message}");
    }

    /// <summary>What happens to descriptors between fork and exec.</summary>
    internal sealed class FileActions : IDisposable
    {
        private const int WriteCreateAppend = 0x1 | 0x40 | 0x400;
        private const uint OwnerOnly = 0x180;

        internal FileActions()
        {
            Pointer = (byte*)NativeMemory.AllocZeroed(OpaqueSize);
            Check(InitialiseActions(Pointer));
        }

        internal byte* Pointer { get; }

        internal void Open(int number, string path, bool write) =>
            Check(AddOpen(Pointer, number, path, write ? WriteCreateAppend : 0, OwnerOnly));

        internal void Duplicate(int from, int to) => Check(AddDuplicate(Pointer, from, to));

        internal void ChangeDirectory(string path) => Check(AddChangeDirectory(Pointer, path));

        public void Dispose()
        {
            _ = DestroyActions(Pointer);
            NativeMemory.Free(Pointer);
        }
    }

    [LibraryImport("libc", EntryPoint = "posix_spawnp", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int SpawnInPath(
        out int process, string file, byte* actions, byte* attributes, byte** arguments, byte** environment);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_init")]
    private static partial int InitialiseActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_destroy")]
    private static partial int DestroyActions(byte* actions);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addopen", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int AddOpen(byte* actions, int number, string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_adddup2")]
    private static partial int AddDuplicate(byte* actions, int from, int to);

    [LibraryImport("libc", EntryPoint = "posix_spawn_file_actions_addchdir_np", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int AddChangeDirectory(byte* actions, string path);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_init")]
    private static partial int InitialiseAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_destroy")]
    private static partial int DestroyAttributes(byte* attributes);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setflags")]
    private static partial int SetAttributeFlags(byte* attributes, short flags);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigmask")]
    private static partial int SetAttributeSignalMask(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "posix_spawnattr_setsigdefault")]
    private static partial int SetAttributeSignalDefaults(byte* attributes, byte* signals);

    [LibraryImport("libc", EntryPoint = "sigemptyset")]
    private static partial int EmptySignalSet(byte* signals);

    [LibraryImport("libc", EntryPoint = "sigfillset")]
    private static partial int FillSignalSet(byte* signals);
}
