using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using Cutpoint.Cli.Commands;
using Cutpoint.Cli.Output;

namespace Cutpoint.Cli;

/// <summary>The whole command line: its verbs, and one place where every outcome becomes a line and an exit code.</summary>
internal static class CommandLine
{
    /// <summary>Parses and runs. Returns the exit code.</summary>
    public static async Task<int> RunAsync(string[] arguments)
    {
        var json = arguments.Contains(CommonOptions.Json.Name);
        using var interrupt = new Interrupt();
        try
        {
            var result = CreateRoot().Parse(arguments);
            if (result.Action is not (HelpTextAction or VersionAction) && MistypedOption(result, arguments) is { } mistyped)
                throw WrongUsage(result, $"unrecognized option '{mistyped}'");
            if (result.Action is ParseErrorAction) throw WrongUsage(result, result.Errors[0].Message.TrimEnd('.'));
            json = result.GetValue(CommonOptions.Json);
            // The signals are ours: a first one cancels and waits for the guest to be put back, however long that takes.
            var configuration = new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null };
            return await result.InvokeAsync(configuration, interrupt.Token);
        }
        catch (Exception exception)
        {
            return Failure.Report(exception, json);
        }
    }

    /// <summary>The root command with every verb of this release.</summary>
    public static RootCommand CreateRoot()
    {
        var root = new RootCommand("Checkpoints running virtual machines, and brings them back.")
        {
            InitCommand.Create(),
            TakeCommand.Create(),
            ResumeCommand.Create(),
            CancelCommand.Create(),
            NodeCommand.Create(),
            WatchCommand.Create(),
            ListCommand.Create(),
            ShowCommand.Create(),
            DiffCommand.Create(),
            RestoreCommand.Create(),
            ExportCommand.Create(),
            ImportCommand.Create(),
            InspectCommand.Create(),
            VerifyCommand.Create(),
            ForgetCommand.Create(),
            GcCommand.Create(),
            DoctorCommand.Create(),
            RepairCommand.Create(),
            KeyCommand.Create(),
            BenchCommand.Create(),
            CompletionCommand.Create(),
            CommonOptions.Repository,
            CommonOptions.KeyFile,
            CommonOptions.PassphraseFile,
            CommonOptions.KeyCommand,
            CommonOptions.Json,
        };
        foreach (var option in root.Options)
        {
            switch (option)
            {
                case VersionOption version: version.Action = new VersionAction(); break;
                case HelpOption help: help.Action = new HelpTextAction(); break;
            }
        }
        root.SetAction(result =>
        {
            HelpText.Write(root, result.InvocationConfiguration.Output);
            return (int)ErrorCode.Usage;
        });
        return root;
    }

    /// <summary>What begins as options do and is none was meant to be one, unless the line says with "--" that it knows what it names.</summary>
    private static string? MistypedOption(ParseResult result, string[] arguments) => arguments.Contains("--") ? null
        : result.CommandResult.Children.OfType<ArgumentResult>().SelectMany(argument => argument.Tokens).FirstOrDefault(token => token.Value is ['-', _, ..])?.Value;

    private static SnapshotException WrongUsage(ParseResult result, string message) => new(
        ErrorCode.Usage, message is [_, >= 'a' and <= 'z', ..] ? char.ToLowerInvariant(message[0]) + message[1..] : message,
        $"see '{HelpText.NameOf(result.CommandResult.Command)} --help'") { IsPreflight = true };

    private sealed class VersionAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            parseResult.InvocationConfiguration.Output.WriteLine($"cutpoint {typeof(CommandLine).Assembly.GetName().Version!.ToString(3)}");
            return 0;
        }
    }

    private sealed class HelpTextAction : SynchronousCommandLineAction
    {
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            HelpText.Write(parseResult.CommandResult.Command, parseResult.InvocationConfiguration.Output);
            return 0;
        }
    }
}
