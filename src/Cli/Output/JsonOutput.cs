using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.Json.Serialization.Metadata;
using Cutpoint.Cli.Commands;
using Cutpoint.Cli.Jobs;
using Cutpoint.Jobs;
using Cutpoint.Workers.Export;

namespace Cutpoint.Cli.Output;

/// <summary>Results for programs: one JSON object on standard output.</summary>
internal static class JsonOutput
{
    /// <summary>The types of the results. Read by people too: nothing is escaped that JSON does not ask for.</summary>
    public static CliJson Types { get; } =
        new(new JsonSerializerOptions(CliJson.Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });

    /// <summary>Writes the result.</summary>
    public static void Write<T>(T result, JsonTypeInfo<T> type) => Console.Out.WriteLine(JsonSerializer.Serialize(result, type));

    /// <summary>Writes a line of progress to standard error.</summary>
    public static void WriteProgress<T>(T progress, JsonTypeInfo<T> type) => Console.Error.WriteLine(JsonSerializer.Serialize(progress, type));
}

/// <summary>What a failed command prints with --json.</summary>
internal sealed record FailureResult(JobError Error);

/// <summary>JSON of the results: a closed set of types, made at compile time.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull, UseStringEnumConverter = true)]
[JsonSerializable(typeof(FailureResult))]
[JsonSerializable(typeof(InitResult))]
[JsonSerializable(typeof(KeysResult))]
[JsonSerializable(typeof(ListResult))]
[JsonSerializable(typeof(CancelResult))]
[JsonSerializable(typeof(ListeningNode))]
[JsonSerializable(typeof(NodesResult))]
[JsonSerializable(typeof(NodeRecordsResult))]
[JsonSerializable(typeof(SubmittedJob))]
[JsonSerializable(typeof(WatchedEvent))]
[JsonSerializable(typeof(ShownCheckpoint))]
[JsonSerializable(typeof(RestoreResult))]
[JsonSerializable(typeof(ExportResult))]
[JsonSerializable(typeof(ImportedFile))]
[JsonSerializable(typeof(FileInspection))]
[JsonSerializable(typeof(VerifyResult))]
[JsonSerializable(typeof(DiffResult))]
[JsonSerializable(typeof(ForgetResult))]
[JsonSerializable(typeof(GcResult))]
[JsonSerializable(typeof(DoctorResult))]
[JsonSerializable(typeof(RepairResult))]
[JsonSerializable(typeof(BenchResult))]
[JsonSerializable(typeof(ByteProgressLine))]
[JsonSerializable(typeof(JobProgress))]
internal sealed partial class CliJson : JsonSerializerContext;
