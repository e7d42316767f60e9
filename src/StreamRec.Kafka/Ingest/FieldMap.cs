using System.Text;
using StreamRec.Domain;

namespace StreamRec.Kafka.Ingest;

/// <summary>A mapping, compiled: a tree of the places that are looked at, so that one pass over a record finds them all.</summary>
/// <remarks>
/// A standard field keeps its place unless another field's path touches it: then it is not read. Nothing changes after construction.
/// </remarks>
internal sealed class FieldMap
{
    private readonly Dictionary<InteractionField, string> _explained = [];

    private FieldMap(MappingOptions options)
    {
        var mapped = new List<(MappedField Field, FieldPath Path)>();
        foreach (var field in MappedField.All)
        {
            if (field.PathIn(options) is { } text)
            {
                mapped.Add((field, FieldPath.TryParse(text, out var path, out _)
                    ? path
                    : throw new ArgumentException($"{MappingOptions.SectionName}:{field.Setting} is \"{text}\"; it must be {FieldPath.Allowed}.", nameof(options))));
                _explained[field.Field] = $"{MappingOptions.SectionName}:{field.Setting} reads it at {text}.";
            }
        }

        var standard = MappedField.All.Where(f => f.PathIn(options) is null).ToList();
        Record = Build(mapped, standard.Select(f => (f.Field, FieldPath.Standard(f.Standard))));
        Event = Build(
            mapped,
            [
                .. standard.Select(f => (f.Field, FieldPath.Standard("data", f.Standard))),
                (InteractionField.EnvelopeId, FieldPath.Standard("id")), (InteractionField.EnvelopeTime, FieldPath.Standard("time")),
            ]);
        TimeInSeconds = options.TimeUnit == "s";
        var types = new Dictionary<string, InteractionType?>(StringComparer.OrdinalIgnoreCase);
        foreach (var (word, name) in options.Types)
        {
            types[word] = TryReadType(name, out var type) ? type : throw new ArgumentException($"{MappingOptions.SectionName}:Types:{word} is \"{name}\".", nameof(options));
        }

        Types = types.GetAlternateLookup<ReadOnlySpan<char>>();
    }

    /// <summary>Where a record's value is the interaction.</summary>
    public PathNode Record { get; }

    /// <summary>Where it is a CloudEvents envelope.</summary>
    public PathNode Event { get; }

    /// <summary>A number that is a time counts seconds, not milliseconds.</summary>
    public bool TimeInSeconds { get; }

    /// <summary>What the producer's words mean; null: the record takes no part.</summary>
    public Dictionary<string, InteractionType?>.AlternateLookup<ReadOnlySpan<char>> Types { get; }

    /// <summary>The map of valid options; null when they say nothing but the standard form.</summary>
    public static FieldMap? Compile(MappingOptions options) => options.IsSet ? new FieldMap(options) : null;

    /// <summary>Reads a type of ours, or <see cref="MappingOptions.Ignore"/> as null.</summary>
    public static bool TryReadType(string name, out InteractionType? type)
    {
        type = null;
        if (name.Equals(MappingOptions.Ignore, StringComparison.OrdinalIgnoreCase))
        {
            return true;
        }

        var known = Array.FindIndex(Enum.GetNames<InteractionType>(), n => n.Equals(name, StringComparison.OrdinalIgnoreCase));
        type = known < 0 ? null : Enum.GetValues<InteractionType>()[known];
        return known >= 0;
    }

    /// <summary>Adds to an error of a mapped field where the field is read.</summary>
    public DecodeError Explain(InteractionField field, DecodeError error) =>
        _explained.TryGetValue(field, out var place) ? error with { Message = $"{error.Message} {place}" } : error;

    private static PathNode Build(
        List<(MappedField Field, FieldPath Path)> mapped, IEnumerable<(InteractionField Field, FieldPath Path)> standard)
    {
        var root = new PathNode(0, "$");
        var count = 1;
        foreach (var (field, path) in mapped)
        {
            root.Add(path, field.Field, isMapped: true, ref count);
        }

        foreach (var (field, path) in standard)
        {
            if (!mapped.Exists(m => m.Path.Overlaps(path)))
            {
                root.Add(path, field, isMapped: false, ref count);
            }
        }

        return root;
    }
}

/// <summary>A place in a record: a field's, or one on the way to fields.</summary>
/// <param name="number">Of the place in its tree, in [0, 127]: six fields with at most 16 steps, and the envelope.</param>
/// <param name="path">For people.</param>
internal sealed class PathNode(int number, string path)
{
    public UInt128 Bit { get; } = UInt128.One << number;

    public string Path => path;

    /// <summary>The field that is here, or none.</summary>
    public InteractionField Field { get; private set; }

    /// <summary>The field is here because a setting says so.</summary>
    public bool IsMapped { get; private set; }

    /// <summary>Members that are looked at.</summary>
    public List<(byte[] Name, PathNode Node)> Members { get; } = [];

    /// <summary>Array elements that are looked at.</summary>
    public List<(int Index, PathNode Node)> Elements { get; } = [];

    public void Add(FieldPath to, InteractionField field, bool isMapped, ref int count)
    {
        var node = this;
        foreach (var step in to.Steps)
        {
            node = node.Child(step, ref count);
        }

        node.Field = field;
        node.IsMapped = isMapped;
    }

    private PathNode Child(PathStep step, ref int count)
    {
        if (step.Name is null)
        {
            if (Elements.Find(e => e.Index == step.Index).Node is not { } element)
            {
                Elements.Add((step.Index, element = new PathNode(count++, $"{Path}[{step.Index}]")));
            }

            return element;
        }

        var name = Encoding.UTF8.GetBytes(step.Name);
        if (Members.Find(m => m.Name.AsSpan().SequenceEqual(name)).Node is not { } member)
        {
            Members.Add((name, member = new PathNode(count++, $"{Path}.{step.Name}")));
        }

        return member;
    }
}
