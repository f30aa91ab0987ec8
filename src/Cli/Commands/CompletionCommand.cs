using System.CommandLine;
using Cutpoint.Cli.Settings;

namespace Cutpoint.Cli.Commands;

/// <summary>Prints what a shell needs to complete cutpoint's command line. The candidates come from cutpoint itself.</summary>
internal static class CompletionCommand
{
    private const string Bash = """
        _cutpoint() {
            local IFS=$'\n'
            COMPREPLY=($(compgen -o default -W "$(cutpoint "[suggest:$COMP_POINT]" "$COMP_LINE" 2> /dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
        }
        complete -o default -F _cutpoint cutpoint
        """;

    private const string Zsh = """
        #compdef cutpoint
        _cutpoint() {
            local candidates=("${(@f)$(cutpoint "[suggest:$CURSOR]" "$BUFFER" 2> /dev/null)}")
            [[ -n "$candidates" ]] && compadd -- $candidates || _files
        }
        compdef _cutpoint cutpoint
        """;

    private const string Fish = """
        complete -c cutpoint -a '(cutpoint "[suggest:"(commandline -C)"]" (commandline) 2> /dev/null)'
        """;

    private enum Shell
    {
        Bash,
        Zsh,
        Fish,
    }

    public static Command Create()
    {
        var shell = Setting.Argument("SHELL", "bash, zsh or fish", Value.Choice<Shell>);
        shell.CompletionSources.Add(Value.Choices<Shell>());
        var command = new Verb(
            "completion", "Print the script that completes cutpoint's command line in a shell",
            "source <(cutpoint completion bash)\ncutpoint completion fish > ~/.config/fish/completions/cutpoint.fish") { shell };
        command.SetAction(result => Console.Out.WriteLine(result.GetValue(shell) switch { Shell.Zsh => Zsh, Shell.Fish => Fish, _ => Bash }));
        return command;
    }
}
