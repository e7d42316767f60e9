using System.Text.Json;

namespace StreamRec.Models.HuggingFace;

/// <summary>The <c>config.json</c> of a Hugging Face directory: a flat object of which each model reads what it knows.</summary>
/// <remarks>
/// A key that is absent or null has the default of the model's configuration class there, which its reader passes. Unlike a recipe it
/// may hold keys that nobody here knows: files of all versions carry settings of tasks and tools.
/// </remarks>
internal sealed class ConfigJson
{
    /// <summary>Its name.</summary>
    public const string FileName = "config.json";

    // The largest in use have some ten kilobytes, most of it label names.
    private const int MaxBytes = 1 << 20;

    private readonly JsonElement _root;

    private ConfigJson(JsonElement root) => _root = root;

    /// <exception cref="InvalidDataException">The file is absent, too long or no JSON object; the message says which.</exception>
    public static ConfigJson Read(string directory)
    {
        var file = new FileInfo(Path.Combine(directory, FileName));
        if (!file.Exists)
        {
            throw new InvalidDataException($"{file.FullName} is missing; a Hugging Face directory has one beside its weights.");
        }

        if (file.Length > MaxBytes)
        {
            throw new InvalidDataException($"{file.FullName} has {file.Length} bytes; at most {MaxBytes} are accepted.");
        }

        return Parse(File.ReadAllBytes(file.FullName));
    }

    /// <inheritdoc cref="Read"/>
    public static ConfigJson Parse(ReadOnlyMemory<byte> json)
    {
        try
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? new ConfigJson(document.RootElement.Clone())
                : throw new InvalidDataException($"{FileName} is a JSON {document.RootElement.ValueKind}; it must be an object.");
        }
        catch (JsonException exception)
        {
            throw new InvalidDataException($"{FileName} is not valid JSON: {exception.Message}", exception);
        }
    }

    /// <summary>A whole number in [low, high].</summary>
    /// <exception cref="InvalidDataException">It is something else, as for all that follow; the message names key, value and range.</exception>
    public int Int(string key, int absent, int low, int high) => IntOrNull(key, absent, low, high) ?? absent;

    /// <summary>A whole number in [low, high], or null where the file says null.</summary>
    public int? IntOrNull(string key, int? absent, int low, int high)
    {
        if (!_root.TryGetProperty(key, out var value))
        {
            return absent;
        }

        if (value.ValueKind == JsonValueKind.Null)
        {
            return null;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= low && number <= high
            ? number
            : throw Wrong(key, value, $"a whole number in [{low}, {high}]");
    }

    /// <summary>A number in [low, high].</summary>
    public double Number(string key, double absent, double low, double high)
    {
        if (Find(key) is not { } value)
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out var number) && number >= low && number <= high
            ? number
            : throw Wrong(key, value, $"a number in [{low}, {high}]");
    }

    /// <summary>True or false.</summary>
    public bool Flag(string key, bool absent)
    {
        if (Find(key) is not { } value)
        {
            return absent;
        }

        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(key, value, "true or false");
    }

    /// <summary>What one of these texts stands for.</summary>
    public T OneOf<T>(string key, T absent, IReadOnlyDictionary<string, T> choices)
    {
        if (Find(key) is not { } value)
        {
            return absent;
        }

        return value.ValueKind == JsonValueKind.String && choices.TryGetValue(value.GetString()!, out var choice)
            ? choice
            : throw Wrong(key, value, $"one of {string.Join(", ", choices.Keys)}");
    }

    /// <summary>Refuses a setting under which the model computes something that is not written here.</summary>
    public void RequireFlag(string key, bool needed)
    {
        if (Flag(key, needed) != needed)
        {
            throw new InvalidDataException($"{FileName}: {key} is {(needed ? "false" : "true")}, a variant that is not supported; it must be {(needed ? "true" : "false")}.");
        }
    }

    private JsonElement? Find(string key) =>
        _root.TryGetProperty(key, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static InvalidDataException Wrong(string key, JsonElement value, string expected)
    {
        var text = value.GetRawText();
        return new InvalidDataException($"{FileName}: {key} is {(text.Length <= 80 ? text : text[..80] + "…")}; it must be {expected}.");
    }
}
