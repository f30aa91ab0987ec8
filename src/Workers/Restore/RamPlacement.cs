using Cutpoint.Guests;
using Cutpoint.Workers.Qemu.Launch;

namespace Cutpoint.Workers.Restore;

/// <summary>Which RAM blocks of a recorded guest QEMU can be given as files.</summary>
internal static class RamPlacement
{
    /// <summary>
    /// Numbers of those blocks: the memory backends of the command line, or, for a machine that makes its RAM itself, that RAM. Memory that devices make for
    /// themselves (ROMs, video memory, flash) comes in the stream.
    /// </summary>
    public static IReadOnlyList<int> FileBlocks(GuestDescription guest)
    {
        var backends = Backends(guest);
        var named = Numbers(guest, block => backends.Contains(block.Name));
        return named.Count > 0 ? named : Numbers(guest, block => block.Name == MachineRam(guest));
    }

    /// <summary>True for devices whose other processes write into the guest's memory: they need it shared.</summary>
    public static bool NeedsSharedMemory(GuestDescription guest) =>
        guest.CommandLine.Any(argument => argument.Contains("vhost-user", StringComparison.Ordinal));

    private static HashSet<string> Backends(GuestDescription guest)
    {
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var option in QemuOption.Parse(guest.CommandLine.Skip(1)))
        {
            if (option is not { Name: "object", Argument: { } argument } || !argument.Contains("memory-backend-", StringComparison.Ordinal)) continue;
            foreach (var block in guest.Blocks)
            {
                var id = block.Name.StartsWith("/objects/", StringComparison.Ordinal) ? block.Name["/objects/".Length..] : block.Name;
                if (HasId(argument, id)) names.Add(block.Name);
            }
        }
        return names;
    }

    private static bool HasId(string argument, string id) => argument.StartsWith('{')
        ? System.Text.Json.Nodes.JsonNode.Parse(argument)?["id"]?.ToString() == id
        : QemuProperties.Parse(argument)["id"] == id;

    /// <summary>A machine's own RAM is "MACHINE.ram" ("pc.ram" for every PC); device memory that ends so has a path in front or is smaller.</summary>
    private static string? MachineRam(GuestDescription guest) => guest.Blocks
        .Where(block => block.Name.EndsWith(".ram", StringComparison.Ordinal) && !block.Name.Contains('/', StringComparison.Ordinal))
        .MaxBy(block => block.Length)?.Name;

    private static List<int> Numbers(GuestDescription guest, Func<RamBlock, bool> isWanted) =>
        [.. Enumerable.Range(0, guest.Blocks.Count).Where(number => isWanted(guest.Blocks[number]))];
}
