using Cutpoint.Repository;
using Cutpoint.Workers.Export;

namespace Cutpoint.Workers.Tests.Export;

/// <summary>An export in a process of its own, whose number of processors the test chooses.</summary>
internal static class ExportProgram
{
    public const string Verb = "export";

    public static async Task<int> RunAsync(string[] orders)
    {
        var (repository, checkpoint, format, output) = (orders[0], orders[1], orders[2], orders[3]);
        await using var opened = await DirectoryRepository.OpenAsync(RepositoryLocation.Parse(repository), TimeProvider.System, default);
        await ExportJob.RunAsync(opened, new ExportOptions { Checkpoint = checkpoint, Format = format, Output = output }, null, default);
        return 0;
    }
}
