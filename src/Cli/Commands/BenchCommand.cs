using System.CommandLine;
using System.Globalization;
using Cutpoint.Cli.Output;
using Cutpoint.Cli.Settings;
using Cutpoint.Compression;
using Cutpoint.Workers.Capture;

namespace Cutpoint.Cli.Commands;

/// <summary>Measures what this host can do, without a guest.</summary>
internal static class BenchCommand
{
    public static Command Create()
    {
        var codec = Setting.Create("bench", "codec", "Compression", Codec.Parse, "zstd[:LEVEL]|lz4|none", "zstd");
        var file = Setting.Create<string?>("bench", "corpus", "A file whose octets stand for guest memory [default: pages like a guest's]", Value.Text, "FILE");
        var command = new Verb(
            "bench", "Measure what a take can reach on this host: each step of its work, as a share of the one before; nothing is left in the repository",
            "cutpoint bench\ncutpoint bench --codec lz4") { codec, file };
        command.SetAction(async (parsed, cancellation) =>
        {
            var corpus = parsed.GetValue(file);
            var options = new CaptureBenchOptions { Codec = parsed.GetValue(codec), Corpus = corpus is null ? null : Path.GetFullPath(corpus) };
            await using var repository = await RepositoryAccess.OpenOrCreateDefaultAsync(parsed, cancellation);
            var result = new BenchResult(options.Codec.ToString(), await CaptureBench.RunAsync(repository, options, TimeProvider.System, cancellation));
            if (parsed.GetValue(CommonOptions.Json)) JsonOutput.Write(result, JsonOutput.Types.BenchResult);
            else Write(result);
        });
        return command;
    }

    private static void Write(BenchResult result)
    {
        var table = new Table("STEP", ">RATE", ">OF THE ONE BEFORE");
        foreach (var rung in result.Rungs) table.Add(rung.Name, Quantity.Rate(rung.BytesPerSecond), rung.Share.ToString("P0", CultureInfo.InvariantCulture));
        table.Write(Console.Out);
    }
}

/// <summary>What bench prints.</summary>
internal sealed record BenchResult(string Codec, IReadOnlyList<BenchRung> Rungs);
