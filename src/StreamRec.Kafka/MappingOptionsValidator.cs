using System.Text;
using Microsoft.Extensions.Options;
using StreamRec.Kafka.Ingest;

namespace StreamRec.Kafka;

/// <summary>Refuses paths that are none, paths that no record could have together, and words that would mean no type.</summary>
public sealed class MappingOptionsValidator : IValidateOptions<MappingOptions>
{
    private const string Section = MappingOptions.SectionName;
    private const int MaxTypes = 1000;
    private const int MaxWordBytes = 256;

    public ValidateOptionsResult Validate(string? name, MappingOptions options)
    {
        var failures = new List<string>();
        ValidatePaths(failures, options);
        if (options.TimeUnit is not ("ms" or "s"))
        {
            failures.Add($"{Section}:TimeUnit is \"{options.TimeUnit}\"; it must be ms or s.");
        }

        ValidateTypes(failures, options.Types);
        return failures.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(failures);
    }

    private static void ValidatePaths(List<string> failures, MappingOptions options)
    {
        var mapped = new List<(MappedField Field, FieldPath Path)>();
        foreach (var field in MappedField.All)
        {
            if (field.PathIn(options) is not { } text)
            {
                continue;
            }

            if (FieldPath.TryParse(text, out var path, out var at))
            {
                mapped.Add((field, path));
            }
            else
            {
                failures.Add($"{Section}:{field.Setting} is \"{text}\", which is no path from character {at + 1} on; it must be {FieldPath.Allowed}.");
            }
        }

        foreach (var (i, (field, path)) in mapped.Index())
        {
            foreach (var (other, otherPath) in mapped.Take(i).Where(m => m.Path.Overlaps(path)))
            {
                failures.Add(
                    $"{Section}:{field.Setting} is \"{path.Text}\" and {Section}:{other.Setting} is \"{otherPath.Text}\"; each must have a place of its own, "
                    + "none inside another.");
            }
        }

        foreach (var required in MappedField.All.Where(f => f.IsRequired && f.PathIn(options) is null))
        {
            foreach (var (field, path) in mapped.Where(m => m.Path.Overlaps(FieldPath.Standard(required.Standard))))
            {
                failures.Add(
                    $"{Section}:{field.Setting} is \"{path.Text}\", where {required.Standard} is looked for; {Section}:{required.Setting} must be set too.");
            }
        }
    }

    private static void ValidateTypes(List<string> failures, Dictionary<string, string> types)
    {
        if (types.Count > MaxTypes)
        {
            failures.Add($"{Section}:Types has {types.Count} words; it must have at most {MaxTypes}.");
        }

        foreach (var (word, type) in types)
        {
            if (Encoding.UTF8.GetByteCount(word) is 0 or > MaxWordBytes)
            {
                failures.Add($"{Section}:Types has the word \"{word}\"; it must have 1 to {MaxWordBytes} UTF-8 bytes.");
            }

            if (!FieldMap.TryReadType(type, out _))
            {
                failures.Add($"{Section}:Types:{word} is \"{type}\"; it must be click, view, cart, purchase, rating, impression or {MappingOptions.Ignore}.");
            }
        }
    }
}
