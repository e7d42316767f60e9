using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Options;
using StreamRec.Inference;
using StreamRec.Journal;
using StreamRec.Kafka;
using StreamRec.Training;
using StreamRec.Users;

namespace StreamRec.Server;

/// <summary>All settings of a process, checked. <c>config/streamrec.json</c> lists every key with its default, unit and range.</summary>
public sealed record StreamRecOptions
{
    public ServerOptions Server { get; init; } = new();

    public KafkaOptions Kafka { get; init; } = new();

    public MappingOptions Mapping { get; init; } = new();

    public JournalOptions Journal { get; init; } = new();

    public UsersOptions Users { get; init; } = new();

    public InferenceOptions Inference { get; init; } = new();

    public TrainingOptions Training { get; init; } = new();

    /// <summary>Where checkpoints are: <c>models</c> in the data directory.</summary>
    public string ModelsDirectory => Path.Combine(Server.DataDirectory, "models");

    /// <summary>Reads settings: defaults, then a file, then environment variables (<c>STREAMREC__Kafka__GroupId</c>), then overrides.</summary>
    /// <param name="file">A JSON file, or null.</param>
    /// <param name="overrides">Keys such as <c>Kafka:GroupId</c>; they win.</param>
    /// <exception cref="OptionsValidationException">A key is unknown or a value is out of range; every fault is named.</exception>
    /// <exception cref="FileNotFoundException">The file does not exist.</exception>
    public static StreamRecOptions Load(string? file, IEnumerable<KeyValuePair<string, string?>> overrides)
    {
        var builder = new ConfigurationBuilder();
        if (file is not null)
        {
            builder.AddJsonFile(Path.GetFullPath(file), optional: false);
        }

        // The prefix's own separator is two underscores, like that of the keys below it.
        var configuration = builder.AddEnvironmentVariables("STREAMREC__").AddInMemoryCollection(overrides).Build();
        var faults = new List<string>();
        RefuseUnknownSections(configuration, faults);
        var options = new StreamRecOptions
        {
            Server = Bind(configuration, ServerOptions.SectionName, new ServerOptions(), faults),
            Kafka = Bind(configuration, KafkaOptions.SectionName, new KafkaOptions(), faults),
            Mapping = Bind(configuration, MappingOptions.SectionName, new MappingOptions(), faults),
            Journal = Bind(configuration, JournalOptions.SectionName, new JournalOptions(), faults),
            Users = Bind(configuration, UsersOptions.SectionName, new UsersOptions(), faults),
            Inference = Bind(configuration, InferenceOptions.SectionName, new InferenceOptions(), faults),
            Training = Bind(configuration, TrainingOptions.SectionName, new TrainingOptions(), faults),
        };
        if (configuration[$"{JournalOptions.SectionName}:Path"] is null)
        {
            options = options with { Journal = options.Journal with { Path = Path.Combine(options.Server.DataDirectory, "journal.db") } };
        }

        Check(new ServerOptionsValidator().Validate(null, options.Server), faults);
        Check(new KafkaOptionsValidator().Validate(null, options.Kafka), faults);
        Check(new MappingOptionsValidator().Validate(null, options.Mapping), faults);
        Check(new JournalOptionsValidator().Validate(null, options.Journal), faults);
        Check(new UsersOptionsValidator().Validate(null, options.Users), faults);
        Check(new InferenceOptionsValidator().Validate(null, options.Inference), faults);
        Check(new TrainingOptionsValidator().Validate(null, options.Training), faults);
        return faults.Count == 0 ? options : throw new OptionsValidationException("StreamRec", typeof(StreamRecOptions), faults);
    }

    private static void RefuseUnknownSections(IConfiguration configuration, List<string> faults)
    {
        string[] known =
        [
            ServerOptions.SectionName, KafkaOptions.SectionName, MappingOptions.SectionName, JournalOptions.SectionName,
            UsersOptions.SectionName, InferenceOptions.SectionName, TrainingOptions.SectionName,
        ];
        foreach (var section in configuration.GetChildren())
        {
            if (!known.Contains(section.Key, StringComparer.OrdinalIgnoreCase) && section.Key != "$schema")
            {
                faults.Add($"'{section.Key}' is not a section; the sections are {string.Join(", ", known)}.");
            }
        }
    }

    // Key by key: the framework's binder stops at its first fault, takes "30" for thirty days, 7 for a member of any enum,
    // and null for a value where people mean the default.
    private static T Bind<T>(IConfiguration configuration, string section, T defaults, List<string> faults)
        where T : class
    {
        BindSection(configuration.GetSection(section), defaults, faults);
        return defaults;
    }

    private static void BindSection(IConfigurationSection section, object target, List<string> faults)
    {
        var properties = target.GetType().GetProperties().Where(property => property.CanWrite).ToList();
        var names = string.Join(", ", properties.Select(property => property.Name));
        if (!string.IsNullOrEmpty(section.Value))
        {
            faults.Add($"{section.Path} is '{section.Value}'; it must be a section with some of {names}.");
        }

        foreach (var child in section.GetChildren())
        {
            var property = properties.Find(property => string.Equals(property.Name, child.Key, StringComparison.OrdinalIgnoreCase));
            if (property is null)
            {
                faults.Add($"{child.Path} is not a setting; those of {section.Path} are {names}.");
            }
            else if (property.GetValue(target) is IDictionary<string, string> free)
            {
                foreach (var leaf in child.GetChildren().SelectMany(Leaves))
                {
                    if (leaf.Value is null)
                    {
                        faults.Add($"{leaf.Path} has no value; it must be {Kind(typeof(string))}.");
                    }
                    else
                    {
                        free[leaf.Path[(child.Path.Length + 1)..]] = leaf.Value;
                    }
                }
            }
            else if (property.PropertyType.IsClass && property.PropertyType != typeof(string))
            {
                BindSection(child, property.GetValue(target)!, faults);
            }
            else if (child.GetChildren().Any())
            {
                faults.Add($"{child.Path} is a section here; it must be {Kind(property.PropertyType)}.");
            }
            else if (child.Value is { } text)
            {
                if (Read(text, property.PropertyType) is { } value)
                {
                    property.SetValue(target, value);
                }
                else
                {
                    faults.Add($"{child.Path} is '{text}'; it must be {Kind(property.PropertyType)}.");
                }
            }
        }
    }

    // A colon in a name, which a producer's word may have, looks like a section in a section.
    private static IEnumerable<IConfigurationSection> Leaves(IConfigurationSection section) =>
        section.GetChildren().Any() ? section.GetChildren().SelectMany(Leaves) : [section];

    private static object? Read(string text, Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.String => text,
        _ when type.IsEnum => Array.Find(Enum.GetNames(type), name => string.Equals(name, text, StringComparison.OrdinalIgnoreCase)) is { } name
            ? Enum.Parse(type, name)
            : null,
        TypeCode.Int32 => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : null,
        TypeCode.Double => double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? number : null,
        _ when type == typeof(TimeSpan) =>
            text.Contains(':') && TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out var time) ? time : null,
        _ => throw new NotSupportedException($"Settings have no {type}."),
    };

    private static string Kind(Type type) => Type.GetTypeCode(type) switch
    {
        TypeCode.String => "a text",
        _ when type.IsEnum => $"one of {string.Join(", ", Enum.GetNames(type))}",
        TypeCode.Int32 => "a whole number",
        TypeCode.Double => "a number",
        _ => "a time, hh:mm:ss or d.hh:mm:ss",
    };

    private static void Check(ValidateOptionsResult result, List<string> faults)
    {
        if (result.Failed)
        {
            faults.AddRange(result.Failures);
        }
    }
}
