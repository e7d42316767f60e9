using System.Globalization;
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

    /// <summary>Milliseconds since 1970 of a time in ISO 8601, or of a number: seconds or milliseconds, by its size.</summary>
    /// <exception cref="FormatException">It is neither.</exception>
    public long Timestamp(string text)
    {
        if (long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var whole) && Math.Abs((double)whole) >= 1e11)
        {
            return whole;
        }

        if (double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number))
        {
            return Milliseconds(number);
        }

        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            ? at.ToUnixTimeMilliseconds()
            : throw new FormatException($"row {Number}: '{Shown(text)}' is not a timestamp.");
    }

    // Seconds until the year 5138 are below 1e11; milliseconds since 1973 above.
    private static long Milliseconds(double time) => (long)(Math.Abs(time) < 1e11 ? time * 1000 : time);

    private static string Shown(string text) => string.Concat(text.Take(80).Select(c => char.IsControl(c) ? '?' : c));
}
