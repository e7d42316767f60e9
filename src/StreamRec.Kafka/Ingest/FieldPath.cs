using System.Globalization;
using System.Text;

namespace StreamRec.Kafka.Ingest;

/// <summary>One step into a JSON value: a member's name, or an array element's number when the name is null.</summary>
internal readonly record struct PathStep(string? Name, int Index);

/// <summary>The place of a field in a record: the part of JSONPath (RFC 9535) that names exactly one place.</summary>
internal sealed class FieldPath
{
    internal const string Allowed =
        "$ and 1 to 16 steps .name, ['any name'] or [n] (0 to 99999), the first one a name, such as $.user.id; there are no wildcards and no filters";

    private const int MaxSteps = 16;
    private const int MaxIndexDigits = 5;

    private FieldPath(string text, IReadOnlyList<PathStep> steps)
    {
        Text = text;
        Steps = steps;
    }

    /// <summary>As it was written.</summary>
    public string Text { get; }

    public IReadOnlyList<PathStep> Steps { get; }

    /// <summary>The path of members with these names, one in the other.</summary>
    internal static FieldPath Standard(params IReadOnlyList<string> names) =>
        new($"$.{string.Join('.', names)}", [.. names.Select(n => new PathStep(n, 0))]);

    /// <summary>Reads a path; false with the position of the first character that does not belong to one.</summary>
    internal static bool TryParse(string text, out FieldPath path, out int position)
    {
        var steps = new List<PathStep>();
        path = new FieldPath(text, steps);
        position = 0;
        if (!text.StartsWith('$'))
        {
            return false;
        }

        position = 1;
        while (position < text.Length && steps.Count < MaxSteps && TryReadStep(text, steps.Count == 0, ref position) is { } step)
        {
            steps.Add(step);
        }

        return position == text.Length && steps.Count > 0;
    }

    /// <summary>Whether one of the two is the other, or lies inside it.</summary>
    internal bool Overlaps(FieldPath other) => Steps.Zip(other.Steps).All(pair => pair.First == pair.Second);

    // Null leaves the position where it was: there it went wrong.
    private static PathStep? TryReadStep(string text, bool isFirst, ref int position)
    {
        var rest = text.AsSpan(position);
        if (rest[0] == '.')
        {
            var length = 1;
            while (length < rest.Length && IsPlain(rest[length]))
            {
                length++;
            }

            position += length > 1 ? length : 0;
            return length > 1 ? new PathStep(rest[1..length].ToString(), 0) : null;
        }

        return rest.StartsWith("['") ? TryReadQuoted(rest, ref position)
            : rest[0] == '[' && !isFirst ? TryReadIndex(rest, ref position)
            : null;
    }

    private static PathStep? TryReadQuoted(ReadOnlySpan<char> rest, ref int position)
    {
        var name = new StringBuilder();
        for (var i = 2; i + 1 < rest.Length; i++)
        {
            if (rest[i] == '\'')
            {
                if (rest[i + 1] != ']')
                {
                    return null;
                }

                position += i + 2;
                return new PathStep(name.ToString(), 0);
            }

            if (rest[i] == '\\' && rest[++i] is not ('\'' or '\\'))
            {
                return null;
            }

            name.Append(rest[i]);
        }

        return null;
    }

    private static PathStep? TryReadIndex(ReadOnlySpan<char> rest, ref int position)
    {
        var digits = rest[1..].IndexOfAnyExceptInRange('0', '9');
        if (digits is < 1 or > MaxIndexDigits || rest[digits + 1] != ']')
        {
            return null;
        }

        position += digits + 2;
        return new PathStep(null, int.Parse(rest.Slice(1, digits), CultureInfo.InvariantCulture));
    }

    private static bool IsPlain(char c) => char.IsAsciiLetterOrDigit(c) || c is '_' or '-' or '@' or '$' || (c >= '\u0080' && !char.IsWhiteSpace(c));
}
