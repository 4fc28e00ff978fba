using System.CommandLine;
using ModelCompression.Onnx.Diagnostics;
using ModelCompression.Tool.CommandLine;
using ModelCompression.Tool.Display;

namespace ModelCompression.Tool.Commands;

/// <summary><c>completion SHELL</c>: a script that completes <c>dotnet-modelcompress</c>, and <c>modelcompress</c> as an alias of it.</summary>
internal static class CompletionCommand
{
    private static readonly Dictionary<string, string> Scripts = new(StringComparer.OrdinalIgnoreCase)
    {
        ["bash"] = """
            alias modelcompress=dotnet-modelcompress
            _modelcompress() {
              local IFS=$'\n'
              COMPREPLY=($(compgen -W "$(dotnet-modelcompress "[suggest:$COMP_POINT]" "dotnet-${COMP_LINE#dotnet-}" 2>/dev/null)" -- "${COMP_WORDS[COMP_CWORD]}"))
            }
            complete -o default -F _modelcompress dotnet-modelcompress modelcompress
            """,
        ["zsh"] = """
            alias modelcompress=dotnet-modelcompress
            _modelcompress() {
              local -a found
              found=("${(@f)$(dotnet-modelcompress "[suggest:$CURSOR]" "$BUFFER" 2>/dev/null)}")
              compadd -a found
              _files
            }
            compdef _modelcompress dotnet-modelcompress modelcompress
            """,
        ["fish"] = """
            alias modelcompress=dotnet-modelcompress
            complete -c dotnet-modelcompress -a '(dotnet-modelcompress "[suggest:"(commandline -C)"]" (commandline -cp))'
            """,
        ["pwsh"] = """
            Set-Alias modelcompress dotnet-modelcompress
            Register-ArgumentCompleter -Native -CommandName dotnet-modelcompress, modelcompress -ScriptBlock {
              param($word, $line, $position)
              dotnet-modelcompress "[suggest:$position]" "$line" | ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
            }
            """,
    };

    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "One of " + string.Join(", ", Scripts.Keys) + "." };
        shell.CompletionSources.Add([.. Scripts.Keys]);
        var command = new Command("completion", "Prints a script that completes commands and options in a shell.") { shell };
        command.SetWork((parsed, _) =>
        {
            string name = parsed.GetValue(shell)!;
            if (Scripts.TryGetValue(name, out string? script))
            {
                Console.Out.Write(script.ReplaceLineEndings("\n") + "\n");
                return ExitCodes.Success;
            }

            DiagnosticPrinter.Print(Diagnostic.Error("MCB1009", $"there is no completion for '{name}'; use one of {string.Join(", ", Scripts.Keys)}."));
            return ExitCodes.WrongUsage;
        });
        return command;
    }
}
