using StreamRec.Domain;

namespace StreamRec.Cli.Files;

/// <summary>A line of a file that is not empty, with its number in the file, from 1, that every complaint about it names.</summary>
internal readonly record struct Row(int Number, string Text)
{
    /// <summary>An id as the topic would take it: what is stored and trained on obeys the same rule wherever it came from.</summary>
    /// <exception cref="FormatException">It is not one.</exception>
    public string Id(string what, string text) => Interaction.IsId(text)
        ? text
        : throw new FormatException(
            $"row {Number}: the {what} id is '{Shown(text)}'; it must be 1 to {Interaction.MaxIdBytes} UTF-8 bytes without control characters.");

    /// <summary>The type of this name; its stored number is no name, nor is a list of names.</summary>
    /// <exception cref="FormatException">There is no such type.</exception>
    public InteractionType Type(string text) =>
        text.All(char.IsAsciiLetter) && Enum.TryParse<InteractionType>(text, ignoreCase: true, out var type)
            ? type
            : throw new FormatException(
                $"row {Number}: '{Shown(text)}' is not a type; it must be click, view, cart, purchase, rating or impression.");

    private static string Shown(string text) => string.Concat(text.Take(80).Select(c => char.IsControl(c) ? '?' : c));
}
