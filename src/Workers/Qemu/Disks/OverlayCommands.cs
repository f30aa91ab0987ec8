using System.Text.Json;
using Cutpoint.Workers.Qemu.Monitor;

namespace Cutpoint.Workers.Qemu.Disks;

/// <summary>The monitor commands overlays live on, typed.</summary>
internal static class OverlayCommands
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(5);

    internal static async Task<IReadOnlyList<BlockDevice>> QueryBlockAsync(this QmpClient monitor, string? directory, CancellationToken cancellation) =>
        BlockDevice.Parse(await monitor.ExecuteAsync("query-block", cancellation), directory);

    /// <summary>Names of the block jobs under way, whoever began them.</summary>
    internal static async Task<IReadOnlyList<string>> QueryBlockJobsAsync(this QmpClient monitor, CancellationToken cancellation)
    {
        var answer = await monitor.ExecuteAsync("query-block-jobs", cancellation);
        return [.. answer.EnumerateArray().Select(job => job.Text("device") ?? "")];
    }

    /// <summary>Every node, and how many images it stands on.</summary>
    internal static async Task<Dictionary<string, long>> QueryNodesAsync(this QmpClient monitor, CancellationToken cancellation)
    {
        var answer = await monitor.ExecuteAsync(
            "query-named-block-nodes", writer => writer.WriteBoolean("flat", true), QmpClient.CommandDeadline, cancellation);
        return answer.EnumerateArray().Where(node => node.Text("node-name") is not null)
            .ToDictionary(node => node.Text("node-name")!, node => node.Number("backing_file_depth") ?? 0);
    }

    /// <summary>Makes an overlay's file and opens it as a node that stands on nothing yet.</summary>
    internal static async Task AddOverlayAsync(
        this QmpClient monitor, DiskOverlay overlay, BlockDevice disk, TimeProvider time, CancellationToken cancellation)
    {
        await monitor.CreateAsync(overlay.CreateJob, writer =>
        {
            writer.WriteString("driver", "file");
            writer.WriteString("filename", overlay.Path);
            writer.WriteNumber("size", 0);
        }, time, cancellation);
        await monitor.ExecuteAsync("blockdev-add", writer =>
        {
            writer.WriteString("driver", "file");
            writer.WriteString("node-name", overlay.FileNode);
            writer.WriteString("filename", overlay.Path);
            WriteCache(writer, disk);
        }, QmpClient.CommandDeadline, cancellation);
        await monitor.CreateAsync(overlay.CreateJob, writer =>
        {
            writer.WriteString("driver", "qcow2");
            writer.WriteString("file", overlay.FileNode);
            writer.WriteNumber("size", overlay.Octets);
            writer.WriteString("backing-file", overlay.Image);
            writer.WriteString("backing-fmt", overlay.Format);
        }, time, cancellation);
        await monitor.ExecuteAsync("blockdev-add", writer =>
        {
            writer.WriteString("driver", "qcow2");
            writer.WriteString("node-name", overlay.Node);
            writer.WriteString("file", overlay.FileNode);
            writer.WriteNull("backing");
            writer.WriteString("detect-zeroes", disk.DetectZeroes);
            WriteCache(writer, disk);
        }, QmpClient.CommandDeadline, cancellation);
    }

    /// <summary>Puts every overlay above its image, all or none.</summary>
    internal static Task SnapshotAsync(this QmpClient monitor, IReadOnlyList<DiskOverlay> overlays, CancellationToken cancellation) =>
        monitor.ExecuteAsync("transaction", writer =>
        {
            writer.WriteStartArray("actions");
            foreach (var overlay in overlays)
            {
                writer.WriteStartObject();
                writer.WriteString("type", "blockdev-snapshot");
                writer.WriteStartObject("data");
                writer.WriteString("node", overlay.ImageNode);
                writer.WriteString("overlay", overlay.Node);
                writer.WriteEndObject();
                writer.WriteEndObject();
            }
            writer.WriteEndArray();
        }, QmpClient.CommandDeadline, cancellation);

    /// <summary>
    /// Merges an overlay into the image below it, and waits for the end of it. A merge somebody began under that name and did not end is gone on with.
    /// </summary>
    /// <param name="monitor">The guest's monitor.</param>
    /// <param name="job">What the merge is called.</param>
    /// <param name="disk">The node the disk writes to.</param>
    /// <param name="overlay">The overlay's node; when it is the disk's, the disk writes to the image below from then on.</param>
    /// <param name="image">The node of the image below.</param>
    /// <param name="path">What the image above is to call the image below; null when there is none above.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellation">Ends the waiting, not the merge.</param>
    /// <returns>QEMU's words when it did not come to its end; null says nothing.</returns>
    internal static async Task<string?> CommitAsync(
        this QmpClient monitor, string job, string disk, string overlay, string image, string? path, TimeProvider time, CancellationToken cancellation)
    {
        using var events = monitor.Subscribe("BLOCK_JOB_COMPLETED", "BLOCK_JOB_CANCELLED");
        if (await monitor.QueryJobAsync(job, cancellation) is null)
        {
            await monitor.ExecuteAsync("block-commit", writer =>
            {
                writer.WriteString("job-id", job);
                writer.WriteString("device", disk);
                writer.WriteString("top-node", overlay);
                writer.WriteString("base-node", image);
                if (path is not null) writer.WriteString("backing-file", path);
            }, QmpClient.CommandDeadline, cancellation);
        }
        for (var isTold = false; await monitor.QueryJobAsync(job, cancellation) is { } status;)
        {
            // Ready when what the guest has written so far is merged; from there on it is kept merged until it is told to change over.
            if (status == "ready" && !isTold)
            {
                await monitor.ExecuteAsync("job-complete", writer => writer.WriteString("id", job), QmpClient.CommandDeadline, cancellation);
                isTold = true;
            }
            await Task.Delay(Poll, time, cancellation);
        }
        return events.TryRead(out var end) ? end.Text("error") : null;
    }

    /// <summary>The status of a job, or null when there is none of that name.</summary>
    internal static async Task<string?> QueryJobAsync(this QmpClient monitor, string job, CancellationToken cancellation)
    {
        var jobs = await monitor.ExecuteAsync("query-jobs", cancellation);
        return jobs.EnumerateArray().FirstOrDefault(one => one.Text("id") == job).Text("status");
    }

    /// <summary>The nodes that read a file as an image of a format.</summary>
    internal static async Task<IReadOnlyList<string>> QueryNodesOfAsync(
        this QmpClient monitor, string path, string format, string? directory, CancellationToken cancellation)
    {
        var answer = await monitor.ExecuteAsync(
            "query-named-block-nodes", writer => writer.WriteBoolean("flat", true), QmpClient.CommandDeadline, cancellation);
        return [.. answer.EnumerateArray().Where(node => node.Text("drv") == format && BlockDevice.FileOf(node.Text("file"), directory) == path).Select(node => node.Text("node-name")!)];
    }

    /// <summary>Closes the nodes of an overlay no disk uses, those there are.</summary>
    internal static async Task RemoveNodesAsync(this QmpClient monitor, DiskOverlay overlay, CancellationToken cancellation)
    {
        var nodes = await monitor.QueryNodesAsync(cancellation);
        foreach (var node in (string[])[overlay.Node, overlay.FileNode])
        {
            if (!nodes.ContainsKey(node)) continue;
            await monitor.ExecuteAsync("blockdev-del", writer => writer.WriteString("node-name", node), QmpClient.CommandDeadline, cancellation);
        }
    }

    private static async Task CreateAsync(
        this QmpClient monitor, string id, Action<Utf8JsonWriter> options, TimeProvider time, CancellationToken cancellation)
    {
        await monitor.ExecuteAsync("blockdev-create", writer =>
        {
            writer.WriteString("job-id", id);
            writer.WriteStartObject("options");
            options(writer);
            writer.WriteEndObject();
        }, QmpClient.CommandDeadline, cancellation);
        while (true)
        {
            var jobs = await monitor.ExecuteAsync("query-jobs", cancellation);
            var job = jobs.EnumerateArray().FirstOrDefault(entry => entry.Text("id") == id);
            if (job.Text("status") is "concluded" or null)
            {
                await monitor.ExecuteAsync("job-dismiss", writer => writer.WriteString("id", id), QmpClient.CommandDeadline, cancellation);
                if (job.Text("error") is not { } error) return;
                throw new SnapshotException(
                    ErrorCode.Failed, $"{monitor.Path}: QEMU cannot make an overlay: {error}",
                    "let QEMU write to the directory of the image, or take the guest with --no-disks");
            }
            await Task.Delay(Poll, time, cancellation);
        }
    }

    private static void WriteCache(Utf8JsonWriter writer, BlockDevice disk)
    {
        writer.WriteStartObject("cache");
        writer.WriteBoolean("direct", disk.IsDirect);
        writer.WriteBoolean("no-flush", disk.IgnoresFlush);
        writer.WriteEndObject();
    }
}
