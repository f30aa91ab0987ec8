using System.Globalization;

namespace Cutpoint.Workers.Qemu.Preflight;

/// <summary>One mapping of a process, by /proc/ID/maps.</summary>
/// <param name="Start">First address.</param>
/// <param name="End">First address behind it.</param>
/// <param name="IsShared">True for a shared mapping.</param>
/// <param name="Offset">Where it begins in the file.</param>
/// <param name="Inode">The file's inode, 0 for none.</param>
/// <param name="Path">The file's path as the kernel tells it, possibly with " (deleted)" behind.</param>
internal sealed record ProcessMapping(ulong Start, ulong End, bool IsShared, long Offset, ulong Inode, string Path)
{
    private static readonly string[] InMemory = ["tmpfs", "hugetlbfs", "ramfs"];

    /// <summary>True for a file whose pages are not those of memory alone. What has no name, such as a memfd, is in memory.</summary>
    internal bool IsOnDisk
    {
        get
        {
            if (Inode == 0 || !File.Exists(Path)) return false;
            try
            {
                return !InMemory.Contains(new DriveInfo(Path).DriveFormat);
            }
            catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
            {
                return true;
            }
        }
    }
}

/// <summary>The mappings of a process and the files behind them.</summary>
internal sealed class ProcessMap
{
    private readonly int _process;
    private readonly List<ProcessMapping> _mappings = [];

    private ProcessMap(int process) => _process = process;

    /// <summary>Reads the mappings, or null when they may not be read from here.</summary>
    internal static ProcessMap? TryRead(int process)
    {
        try
        {
            var map = new ProcessMap(process);
            foreach (var line in File.ReadLines(ProcessFiles.Path(process, "maps")))
            {
                if (TryParse(line) is { } mapping) map._mappings.Add(mapping);
            }
            return map;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    internal ProcessMapping? At(ulong address) => _mappings.Find(mapping => address >= mapping.Start && address < mapping.End);

    /// <summary>The shared mappings of a file.</summary>
    internal IReadOnlyList<ProcessMapping> SharedMappingsOf(ulong inode) => [.. _mappings.Where(mapping => mapping.IsShared && mapping.Inode == inode)];

    /// <summary>A path under which the mapping's file can be opened for reading, or null.</summary>
    internal string? OpenablePath(ProcessMapping mapping)
    {
        // By name when the name still leads there: it outlives QEMU. Else through QEMU's own descriptor, which its user may follow; else,
        // as root, through the mapping.
        if (mapping.Path.StartsWith('/') && IsOpenable(mapping.Path) && SameFile(mapping.Path, mapping)) return mapping.Path;
        if (OpenDescriptor(mapping) is { } descriptor) return descriptor;
        var link = ProcessFiles.Path(_process, string.Create(CultureInfo.InvariantCulture, $"map_files/{mapping.Start:x}-{mapping.End:x}"));
        return IsOpenable(link) ? link : null;
    }

    internal static ProcessMapping? TryParse(string line)
    {
        // start-end perms offset device inode [path]
        var fields = line.Split(' ', 6, StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 5) return null;
        var dash = fields[0].IndexOf('-', StringComparison.Ordinal);
        if (dash < 0 || fields[1].Length < 4
            || !Hex(fields[0].AsSpan(0, dash), out var start) || !Hex(fields[0].AsSpan(dash + 1), out var end)
            || !Hex(fields[2], out var offset) || !ulong.TryParse(fields[4], CultureInfo.InvariantCulture, out var inode))
        {
            return null;
        }
        return new ProcessMapping(start, end, fields[1][3] == 's', (long)offset, inode, fields.Length > 5 ? fields[5].Trim() : "");
    }

    private string? OpenDescriptor(ProcessMapping mapping)
    {
        try
        {
            return ProcessFiles.Descriptors(_process)
                .FirstOrDefault(descriptor => descriptor.Target == mapping.Path && SameFile(descriptor.Link, mapping) && IsOpenable(descriptor.Link)).Link;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static bool SameFile(string path, ProcessMapping mapping) => Libc.Inode(path) == mapping.Inode;

    private static bool IsOpenable(string path)
    {
        try
        {
            using var handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return true;
        }
        catch (Exception hidden) when (hidden is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static bool Hex(ReadOnlySpan<char> text, out ulong value) =>
        ulong.TryParse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out value);
}
