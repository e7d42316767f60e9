using System.Globalization;

namespace StreamRec.Benchmarks;

/// <summary>The options of a run, <c>--name value</c> each.</summary>
internal sealed class Arguments(IReadOnlyList<string> arguments)
{
    public string? Text(string option) => arguments.Index().FirstOrDefault(argument => argument.Item == option) is (var index, not null)
        ? arguments[index + 1]
        : null;

    public int Number(string option, int otherwise) => Text(option) is { } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}
