using System.CommandLine;

namespace ModelCompression.Tool.CommandLine;

/// <summary>What an option or argument accepts beyond its type; what it does not is wrong usage.</summary>
internal static class CommandLineRules
{
    /// <summary>Refuses an empty path, which a shell makes of an unset variable in quotes.</summary>
    public static Argument<string> NotEmpty(this Argument<string> argument)
    {
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => string.IsNullOrWhiteSpace(t.Value))) result.AddError($"{argument.Name} is empty; give a path.");
        });
        return argument;
    }

    /// <summary>Refuses an empty value.</summary>
    public static TOption NotEmpty<TOption>(this TOption option)
        where TOption : Option
    {
        option.Validators.Add(result =>
        {
            if (result.Tokens.Any(t => string.IsNullOrWhiteSpace(t.Value))) result.AddError($"{option.Name} is empty; give a value.");
        });
        return option;
    }

    /// <summary>Refuses what is no whole number from 1 on.</summary>
    public static TOption AtLeastOne<TOption>(this TOption option)
        where TOption : Option
    {
        option.Validators.Add(result =>
        {
            foreach (var token in result.Tokens)
                if (int.TryParse(token.Value, out int number) && number < 1) result.AddError($"{option.Name} is {token.Value}; expected a whole number from 1 on.");
        });
        return option;
    }

    /// <summary>Refuses entries of a `;` or `,` list that are none of <paramref name="known"/>.</summary>
    public static Option<string> ListOf(this Option<string> option, params string[] known)
    {
        option.CompletionSources.Add(known);
        option.Validators.Add(result =>
        {
            foreach (string entry in result.Tokens.SelectMany(t => Entries(t.Value)))
                if (!known.Contains(entry, StringComparer.OrdinalIgnoreCase)) result.AddError($"{option.Name} has '{entry}'; expected a list of {string.Join(", ", known)}.");
        });
        return option;
    }

    /// <summary>Entries of a `;` or `,` list.</summary>
    public static string[] Entries(string list) => list.Split([';', ','], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
